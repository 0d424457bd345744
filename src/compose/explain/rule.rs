//! How what two files say at one path meets, by the tables: whether the later one is added to the earlier one.

use super::subject::Step;
use crate::compose::schema::{Merge, Shape};
use crate::compose::top_level::ROOT;

/// What the tables say of a path.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    /// What may stand there; `None` where that is not known.
    pub(super) shape: Option<&'static Shape>,
    /// What becomes of the earlier one's map or list.
    pub(super) meeting: Meeting,
    /// Whether it is a variable or a label: nothing there is a value, too.
    pub(super) is_entry: bool,
    /// Whether a later file that says nothing there takes away what is there.
    pub(super) is_cleared: bool,
    /// Whether it is a list to which later files add theirs, whatever is in it already.
    pub(super) appends: bool,
}

/// How two maps or two lists meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meeting {
    Merge,
    /// They are merged, but of what both have the later one counts whole.
    MergeWhole,
    /// They are merged where they are of one driver.
    MergeOfDriver,
    /// They are merged where they have a subnet in common.
    MergeOfSubnet,
    Replace,
}

impl Rule {
    /// That of a file as a whole.
    pub(super) fn top() -> Self {
        Self {
            shape: Some(&ROOT),
            meeting: Meeting::Merge,
            is_entry: false,
            is_cleared: false,
            appends: false,
        }
    }

    pub(super) fn of(steps: &[Step]) -> Self {
        steps.iter().fold(Self::top(), Self::below)
    }

    /// That of what is one step below.
    pub(super) fn below(self, step: &Step) -> Self {
        let shape = self.shape.map(Shape::canonical);
        let own = match (step, shape) {
            (Step::Item(..), _) | (_, Some(Shape::Variables | Shape::Labels)) => Meeting::Replace,
            (Step::Key(key), Some(Shape::Fields(table))) => {
                match table.field(key).map(|field| field.merge) {
                    Some(Merge::Replace) => Meeting::Replace,
                    Some(Merge::ReplaceEach) => Meeting::MergeWhole,
                    Some(Merge::Logging) => Meeting::MergeOfDriver,
                    Some(Merge::Pools) => Meeting::MergeOfSubnet,
                    Some(Merge::Deep | Merge::Unique(_)) | None => Meeting::Merge,
                }
            }
            (Step::Key(_), _) => Meeting::Merge,
        };
        let meeting = match (self.meeting, own) {
            (Meeting::Replace | Meeting::MergeWhole, _) => Meeting::Replace,
            (Meeting::MergeOfDriver, Meeting::Merge) => Meeting::MergeOfDriver,
            // A pool goes over the one with its subnet.
            (Meeting::MergeOfSubnet, _) => Meeting::Merge,
            (_, own) => own,
        };
        let merge = match (step, shape) {
            (Step::Key(key), Some(Shape::Fields(table))) => {
                table.field(key).map(|field| field.merge)
            }
            _ => None,
        };
        let below = shape.and_then(|shape| shape_below(shape, step));
        let is_list = matches!(below.map(Shape::canonical), Some(Shape::List(_)));
        Self {
            shape: below,
            meeting,
            is_entry: matches!(shape, Some(Shape::Variables | Shape::Labels)),
            is_cleared: matches!(merge, Some(Merge::Replace)),
            appends: is_list && matches!(merge, Some(Merge::Deep)),
        }
    }
}

fn shape_below(shape: &'static Shape, step: &Step) -> Option<&'static Shape> {
    match (shape, step) {
        (Shape::Fields(table), Step::Key(key)) => {
            let field = table.field(key);
            Some(field.map_or(&Shape::Any, |field| &field.shape))
        }
        (Shape::Named(inner) | Shape::Map(inner), Step::Key(_))
        | (Shape::List(inner) | Shape::Items(_, _, inner), Step::Item(..)) => Some(inner),
        (Shape::Variables | Shape::Labels, Step::Key(_)) | (Shape::Texts, Step::Item(..)) => {
            Some(&Shape::Text)
        }
        (Shape::Any, _) => Some(&Shape::Any),
        _ => None,
    }
}
