//! The messages by which files go to BuildKit, as fsutil has them on the wire (tonistiigi/fsutil `types/wire.proto`,
//! `types/stat.proto`). Written out here since paths are bytes on Linux, and the generated types take UTF-8 only.

/// One message of a transfer, in either direction.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Packet {
    #[prost(enumeration = "Kind", tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) stat: Option<Stat>,
    /// The number of the entry that is asked for or sent: they are counted from 0 as their stats were sent.
    #[prost(uint32, tag = "3")]
    pub(super) id: u32,
    #[prost(bytes = "vec", tag = "4")]
    pub(super) data: Vec<u8>,
}

/// What a packet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Kind {
    /// An entry; without one, that there are no more.
    Stat = 0,
    /// The content of an entry is wanted.
    Request = 1,
    /// A piece of an entry's content; an empty one is its end.
    Data = 2,
    /// Nothing more is wanted; answered by the same.
    Finished = 3,
    /// The transfer failed: `data` says why.
    Failed = 4,
}

/// An entry of a folder.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Stat {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) path: Vec<u8>,
    /// The bits of Go's `fs.FileMode`.
    #[prost(uint32, tag = "2")]
    pub(super) mode: u32,
    #[prost(uint32, tag = "3")]
    pub(super) uid: u32,
    #[prost(uint32, tag = "4")]
    pub(super) gid: u32,
    /// Bytes.
    #[prost(int64, tag = "5")]
    pub(super) size: i64,
    /// Nanoseconds since 1970.
    #[prost(int64, tag = "6")]
    pub(super) modified: i64,
    /// The text of a symbolic link.
    #[prost(bytes = "vec", tag = "7")]
    pub(super) link: Vec<u8>,
}

/// Go's `fs.ModeDir`, and those of the others that are not permissions.
const DIRECTORY: u32 = 1 << 31;
const SYMLINK: u32 = 1 << 27;
const SET_USER_ID: u32 = 1 << 23;
const SET_GROUP_ID: u32 = 1 << 22;
const STICKY: u32 = 1 << 20;

/// What a mode is for.
#[derive(Clone, Copy)]
pub(super) enum Of {
    File,
    Directory,
    Symlink,
}

/// Unix permission bits as Go has them.
pub(super) fn go_mode(of: Of, mode: u32) -> u32 {
    let kind = match of {
        Of::File => 0,
        Of::Directory => DIRECTORY,
        Of::Symlink => SYMLINK,
    };
    let special = [
        (0o4000, SET_USER_ID),
        (0o2000, SET_GROUP_ID),
        (0o1000, STICKY),
    ];
    let special = special.into_iter().filter(|(bit, _)| mode & bit != 0);
    special.fold(kind | mode & 0o777, |all, (_, bit)| all | bit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message as _;

    #[test]
    fn modes_are_gos() {
        assert_eq!(go_mode(Of::File, 0o644), 0o644);
        assert_eq!(go_mode(Of::Directory, 0o1777), 1 << 31 | 1 << 20 | 0o777);
        assert_eq!(go_mode(Of::Symlink, 0o777), 1 << 27 | 0o777);
        assert_eq!(go_mode(Of::File, 0o6755), 1 << 23 | 1 << 22 | 0o755);
    }

    #[test]
    fn the_wire_is_fsutils() {
        use bollard_buildkit_proto::fsutil::types::{Packet as Generated, packet::PacketType};
        let own = Packet {
            kind: Kind::Stat.into(),
            stat: Some(Stat {
                path: b"a/b".to_vec(),
                mode: 0o644,
                size: 7,
                modified: 1_700_000_000_123_456_789,
                link: b"c".to_vec(),
                ..Stat::default()
            }),
            id: 3,
            data: vec![1, 2],
        };
        let read = Generated::decode(own.encode_to_vec().as_slice()).unwrap();
        assert_eq!(read.r#type(), PacketType::PacketStat);
        assert_eq!((read.id, read.data.clone()), (3, vec![1, 2]));
        let stat = read.stat.clone().unwrap();
        assert_eq!((stat.path.as_str(), stat.linkname.as_str()), ("a/b", "c"));
        assert_eq!((stat.mode, stat.size), (0o644, 7));
        assert_eq!(stat.mod_time, 1_700_000_000_123_456_789);
        assert_eq!(
            Packet::decode(read.encode_to_vec().as_slice()).unwrap(),
            own
        );
    }
}
