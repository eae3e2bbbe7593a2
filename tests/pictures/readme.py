"""Makes readme.png, the README's picture, from what the program writes. Needs pillow:

    sparsr upscale harbour.png -o /tmp/large.png --masks /tmp/masks
    python3 readme.py /tmp/large.png /tmp/masks
"""
import sys

from PIL import Image

large, masks = sys.argv[1:]
small = Image.open("harbour.png").convert("RGB")
large = Image.open(large).convert("RGB")
detail, zoom, gap = (96, 96, 286, 206), 2, 12

bicubic = small.resize(large.size, Image.Resampling.BICUBIC)
tops = [picture.crop(detail) for picture in (bicubic, large)]
tops = [picture.resize((picture.width * zoom, picture.height * zoom), Image.Resampling.NEAREST) for picture in tops]
width = 2 * tops[0].width + gap
side = (width - 3 * gap) // 4
bottoms = [Image.open(f"{masks}/harbour-body.{k}.png").convert("RGB") for k in (1, 2, 3, 4)]
bottoms = [mask.resize((side, side * 3 // 4), Image.Resampling.NEAREST) for mask in bottoms]

sheet = Image.new("RGB", (width, tops[0].height + gap + bottoms[0].height), "white")
for i, picture in enumerate(tops):
    sheet.paste(picture, (i * (picture.width + gap), 0))
for i, mask in enumerate(bottoms):
    sheet.paste(mask, (i * (side + gap), tops[0].height + gap))
sheet.save("readme.png", optimize=True)
