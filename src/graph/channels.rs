//! Which channels of a network stand or fall together, found from its graph and from no list of names.
//!
//! Every value has channels along its second axis and, if it is a weight, outputs along its first. Operators tie them:
//! what is added must have the same channels, a convolution's rows are the channels that it makes and its columns those
//! that it reads. All that is tied is one class ([`ties`]); classes that stand in the same places are a [`Group`]
//! ([`groups`]): the skip path of a residual network, or the width within a block. Of a group any channels can be taken
//! away, those of the same numbers everywhere, by [`Graph::narrowed`].
//!
//! ```text
//!   head ─┬─► conv1 ─► relu ─► conv2 ─► + ─┬─►            skip path: rows of head and conv2, columns of conv1 …
//!         └───────────────────────────► ┘  └─►            within:    rows of conv1, columns of conv2
//! ```
//!
//! That is exact where all that makes the channel is zero: its filters, biases and what else is added to it
//! ([`Role::makes`]). The channel is then zero all the way to where convolutions read it, since
//!
//! - sums, interpolation, pools, global means and deviations, ReLU, PReLU, GELU, SiLU and tanh keep a zero;
//! - a product is zero where one factor is. So channel attention and ESA, whose sigmoids make ½ of zero, do no harm: they
//!   multiply the zero, and what they read of it is zero too.
//!
//! Where it does not hold, as where a convolution reads a sigmoid's result, or a mean over channels stands between, the
//! channel stays, and the reason is told ([`Why`]).

mod classes;
mod groups;
mod ties;

use std::fmt;
use std::sync::Arc;

use super::{Graph, ParameterId, Value};
use crate::error::{Error, Result};

/// The channels of a graph that can be taken away, and why the others stay.
#[derive(Clone, Debug)]
pub struct Channels {
    pub(super) groups: Vec<Group>,
    pub(super) fixed: Vec<Fixed>,
    /// Of every value, along its first two axes, which channel each index is; `None` for what stays.
    pub(super) members: Vec<[Members; 2]>,
}

/// Along an axis, which channel each index is.
pub(super) type Members = Arc<[Option<Member>]>;

/// A channel of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// The group's place among [`Channels::groups`].
    pub group: usize,
    /// The channel's number in the group.
    pub channel: usize,
}

/// Channels that appear in the same places together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The first convolution that makes them; with the range of its outputs where it makes others too.
    pub name: String,
    /// How many there are.
    pub channels: usize,
    /// Where parameters have an entry for each.
    pub places: Vec<Place>,
    /// The convolutions that make them. Depthwise ones do not, which pass on what others make, nor those that make but
    /// factors for them.
    pub made_by: Vec<Value>,
    /// The convolutions that read them.
    pub read_by: Vec<Value>,
}

/// An axis of a parameter along which a group's channels lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The parameter.
    pub parameter: ParameterId,
    /// 0 or 1, of the four axes of its value: a bias, 1×C×1×1, has its channels along 1.
    pub axis: usize,
    /// Of each channel where it is along the axis: several where a pixel shuffle makes one channel of many.
    pub indices: Vec<Vec<usize>>,
    /// What is there.
    pub role: Role,
}

/// What a parameter is to a channel that it has an entry for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The filters that make it: rows of a convolution's weight.
    Filters,
    /// The magnitudes of these, under weight normalisation.
    Magnitudes,
    /// What is added to it.
    Biases,
    /// What convolutions multiply it by: columns of a weight.
    Inputs,
    /// Filters of a depthwise convolution, which reads and makes it.
    Depthwise,
    /// Slopes and factors, and the filters and biases of convolutions that make nothing else, as attention's last.
    Factors,
}

impl Role {
    /// Whether the channel is zero once these are.
    pub fn makes(self) -> bool {
        matches!(self, Self::Filters | Self::Biases)
    }
}

/// Outputs of a convolution that stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixed {
    /// The convolution.
    pub name: String,
    /// How many.
    pub channels: usize,
    /// Why.
    pub why: Why,
}

/// Why a channel stays.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Why {
    /// It is one of the picture's.
    Picture,
    /// It comes out.
    Output,
    /// A convolution in groups, of more than a channel each, makes or reads it.
    Grouped,
    /// Attention has it in heads, or a part of it is.
    Attention,
    /// Layer normalisation takes a mean over it and others.
    LayerNorm,
    /// A spatial mask, or what depends on one.
    Mask,
    /// An operator puts channels in an order of its own.
    Order,
    /// Fixed numbers make or read it.
    Constant,
    /// It is not zero where it is read, though what makes it is.
    NotZero,
    /// There is one for all of another value's.
    OneForAll,
    /// Something is divided by it.
    Divisor,
    /// The architecture's file reads no such width; the reader's words.
    Unreadable(String),
    /// It was asked for.
    Skipped,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Picture => "of the picture",
            Self::Output => "of the result",
            Self::Grouped => "in groups of channels",
            Self::Attention => "in heads of attention",
            Self::LayerNorm => "under layer normalisation",
            Self::Mask => "under a mask",
            Self::Order => "in an order of their own",
            Self::Constant => "among fixed numbers",
            Self::NotZero => "not zero where they are read",
            Self::OneForAll => "one for all channels",
            Self::Divisor => "divided by",
            Self::Unreadable(_) => "of a width that the architecture fixes",
            Self::Skipped => "left alone as asked",
        })
    }
}

/// Of every group the channels that remain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Of each group whether each channel does.
    flags: Vec<Vec<bool>>,
}

impl Channels {
    /// Those of a graph, as it was made, with what is derived from parameters in it
    /// ([`Net::unfolded`](crate::Net::unfolded)).
    pub fn of(graph: &Graph) -> Self {
        groups::of(graph, ties::of(graph))
    }

    /// The groups, by the convolutions that make them, in their order.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// What stays.
    pub fn fixed(&self) -> &[Fixed] {
        &self.fixed
    }

    /// Along one of the first two axes of a value, which channel each index is; `None` for what stays.
    ///
    /// # Panics
    /// If the value is another graph's, or the axis is neither 0 nor 1.
    pub fn members(&self, value: Value, axis: usize) -> &[Option<Member>] {
        &self.members[value.index()][axis]
    }

    /// The same with some groups staying as they are.
    #[must_use]
    pub fn without(mut self, graph: &Graph, mut why: impl FnMut(&Group) -> Option<Why>) -> Self {
        let reasons: Vec<Option<Why>> = self.groups.iter().map(&mut why).collect();
        let mut next = 0;
        let renamed: Vec<Option<usize>> = reasons
            .iter()
            .map(|reason| {
                next += usize::from(reason.is_none());
                reason.is_none().then(|| next - 1)
            })
            .collect();
        for (group, reason) in self.groups.iter().zip(&reasons) {
            let Some(why) = reason else { continue };
            let name = |conv: &Value| graph.node(*conv).name.clone();
            let fixed = |conv| Fixed { name: name(conv), channels: group.channels, why: why.clone() };
            self.fixed.extend(group.made_by.iter().map(fixed));
        }
        let moved = |Member { group, channel }| renamed[group].map(|group| Member { group, channel });
        for members in self.members.iter_mut().flatten() {
            *members = members.iter().map(|member| member.and_then(moved)).collect();
        }
        let mut stay = reasons.iter();
        self.groups.retain(|_| stay.next().is_some_and(Option::is_none));
        self
    }
}

impl Group {
    /// Whether several convolutions make its channels, which then need the same ones.
    pub fn is_constrained(&self) -> bool {
        self.made_by.len() > 1
    }

    /// Its places of a role.
    pub fn in_role(&self, role: Role) -> impl Iterator<Item = &Place> {
        self.places.iter().filter(move |place| place.role == role)
    }
}

impl Kept {
    /// All channels.
    pub fn all(channels: &Channels) -> Self {
        Self { flags: channels.groups.iter().map(|group| vec![true; group.channels]).collect() }
    }

    /// These of each group, by their numbers.
    ///
    /// # Errors
    /// [`Error::Shape`] if there are not as many lists as groups, a list is empty or names a channel that is none of its
    /// group's.
    pub fn new(channels: &Channels, numbers: &[Vec<usize>]) -> Result<Self> {
        if numbers.len() != channels.groups.len() {
            let reason = format!("expected {} lists, found {}", channels.groups.len(), numbers.len());
            return Err(Error::shape("channels to keep", reason));
        }
        let mut flags = Vec::with_capacity(numbers.len());
        for (group, numbers) in channels.groups.iter().zip(numbers) {
            if numbers.is_empty() || numbers.iter().any(|at| *at >= group.channels) {
                let reason =
                    format!("expected channels below {}, at least one, found {numbers:?}", group.channels);
                return Err(Error::shape(&group.name, reason));
            }
            flags.push((0..group.channels).map(|at| numbers.contains(&at)).collect());
        }
        Ok(Self { flags })
    }

    /// How many of each group.
    pub fn counts(&self) -> Vec<usize> {
        self.flags.iter().map(|kept| kept.iter().filter(|kept| **kept).count()).collect()
    }

    /// Those of a group, by their numbers.
    ///
    /// # Panics
    /// If there is no such group.
    pub fn of(&self, group: usize) -> Vec<usize> {
        let flags = self.flags[group].iter().enumerate();
        flags.filter(|(_, kept)| **kept).map(|(at, _)| at).collect()
    }

    /// Whether what has this place along an axis remains.
    pub(super) fn has(&self, member: Option<Member>) -> bool {
        member.is_none_or(|Member { group, channel }| self.flags[group][channel])
    }
}
