# An SVG of what weights/studies/effort.sh prints: dB below the best network against multiply-adds and time, as shares of its own.
#
#     awk -F, -f weights/studies/effort.awk effort.csv > docs/effort.svg
function x(share) { return 60 + 400 * share }
function y(below) { return 30 + 220 * (below > most ? most : below) / most }
BEGIN {
    most = 0.16
    print "<svg xmlns='http://www.w3.org/2000/svg' width='500' height='310' font-family='sans-serif' font-size='12'>"
    print "<rect width='500' height='310' fill='white'/>"
    for (i = 0; i <= 5; i++)
        printf "<path d='M%d 30V250' stroke='#ddd'/><text x='%d' y='268' text-anchor='middle'>%.1f</text>\n", x(i / 5), x(i / 5), i / 5
    for (i = 0; i <= 4; i++)
        printf "<path d='M60 %dH460' stroke='#ddd'/><text x='54' y='%d' text-anchor='end'>%s</text>\n", y(i * most / 4),
            y(i * most / 4) + 4, i ? sprintf("−%.2f", i * most / 4) : "0 dB"
    print "<text x='60' y='18'>below the best network</text>"
}
NR > 1 && $3 <= most { macs = macs " " x($4) "," y($3) }
NR > 1 && $3 <= most && $5 != "" { time = time " " x($5) "," y($3) }
NR > 1 && $3 <= most { label = label sprintf("<text x='%d' y='%d' font-size='10'>%s</text>", x($4) + 6, y($3) + 12, $1) }
END {
    printf "<polyline points='%s' fill='none' stroke='#06c' stroke-width='2'/>\n", macs
    if (time) printf "<polyline points='%s' fill='none' stroke='#c30' stroke-width='2'/>\n", time
    axis = "share of the best network's multiply-adds" (time ? " (blue) and time (red)" : "")
    print label "<text x='260' y='290' text-anchor='middle'>" axis "</text></svg>"
}
