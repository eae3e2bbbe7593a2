//! The pickle machine on pickles written out by hand, one row a path through it.

use super::*;
use crate::weights::Number;
use crate::weights::pytorch::tensor::Format;

fn read(program: &[u8]) -> Reading<Pickle<'_>> {
    Pickle::read(program, 0)
}

/// The items of the tuple, list or dictionary that `program` builds.
fn items(program: &[u8]) -> Vec<Value<'_>> {
    let pickle = read(program).unwrap();
    match pickle.root {
        Value::Sequence(items) | Value::Dict(items) => pickle.heap.items(items).to_vec(),
        other => panic!("{program:02x?} builds {other:?}"),
    }
}

#[test]
fn plain_values() {
    let cases: [(&[u8], Value<'_>); 18] = [
        (b"N.", Value::None),
        (b"\x88.", Value::Bool(true)),
        (b"\x89.", Value::Bool(false)),
        (b"\x80\x02K\x07.", Value::Int(7)),
        (b"\x80\x04\x95\x03\0\0\0\0\0\0\0K\xff.", Value::Int(255)),
        (b"M\xe9\x03.", Value::Int(1001)),
        (b"J\xfe\xff\xff\xff.", Value::Int(-2)),
        (b"\x8a\0.", Value::Int(0)),
        (b"\x8a\x01\xff.", Value::Int(-1)),
        (b"\x8a\x02\0\x01.", Value::Int(256)),
        (b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", Value::Int(super::super::MAGIC)),
        (b"G\x3f\xf0\0\0\0\0\0\0.", Value::Opaque),
        (b"X\x02\0\0\0ab.", Value::Text("ab")),
        (b"\x8c\x02ab.", Value::Text("ab")),
        (b"U\x01a.", Value::Text("a")),
        (b"U\x01\xff.", Value::Opaque),
        (b"C\x02ab.", Value::Opaque),
        (b"K\x01K\x020.", Value::Int(1)),
    ];
    for (program, expected) in cases {
        let pickle = read(program).unwrap_or_else(|reason| panic!("{program:02x?}: {reason}"));
        assert_eq!(pickle.root, expected, "{program:02x?}");
        assert_eq!(pickle.end, program.len(), "{program:02x?}");
    }
}

#[test]
fn compound_values() {
    let ints = |values: &[i128]| values.iter().map(|&v| Value::Int(v)).collect::<Vec<_>>();
    let cases: [(&[u8], &[i128]); 14] = [
        (b").", &[]),
        (b"].", &[]),
        (b"}.", &[]),
        (b"K\x01\x85.", &[1]),
        (b"K\x01K\x02\x86.", &[1, 2]),
        (b"K\x01K\x02K\x03\x87.", &[1, 2, 3]),
        (b"(K\x01K\x02K\x03K\x04t.", &[1, 2, 3, 4]),
        (b"]K\x01a.", &[1]),
        (b"](K\x01K\x02e.", &[1, 2]),
        (b"}K\x01K\x02s.", &[1, 2]),
        (b"}(K\x01K\x02K\x03K\x04u.", &[1, 2, 3, 4]),
        (b"(K\x09K\x081K\x01\x85.", &[1]),
        (b"K\x052\x86.", &[5, 5]),
        // Filled after it was put into the memo, as dictionaries are.
        (b"}q\x00K\x01K\x02s0h\x00.", &[1, 2]),
    ];
    for (program, expected) in cases {
        assert_eq!(items(program), ints(expected), "{program:02x?}");
    }
}

#[test]
fn the_memo() {
    assert_eq!(items(b"K\x07q\x05K\x08r\xff\xff\0\0h\x05j\xff\xff\0\0\x86."), [Value::Int(7), Value::Int(8)]);
    assert_eq!(items(b"K\x07\x94K\x08\x94h\x00h\x01\x86."), [Value::Int(7), Value::Int(8)]);
    // A list that contains itself.
    let pickle = read(b"]q\x00h\x00a.").unwrap();
    let Value::Sequence(list) = pickle.root else { panic!("{:?}", pickle.root) };
    assert_eq!(pickle.heap.items(list), [Value::Sequence(list)]);
}

#[test]
fn the_last_of_equal_keys_counts() {
    let pickle = read(b"}(U\x01aK\x01U\x01aK\x02u.").unwrap();
    let Value::Dict(dict) = pickle.root else { panic!("{:?}", pickle.root) };
    assert_eq!(pickle.heap.entry(dict, "a"), Some(Value::Int(2)));
    assert_eq!(pickle.heap.entry(dict, "b"), None);
}

#[test]
fn accepted_names() {
    let empty = |program: &[u8]| items(program).is_empty();
    assert!(empty(b"ccollections\nOrderedDict\n)R."));
    assert!(empty(b"\x8c\x0bcollections\x8c\x0bOrderedDict\x93)R."));
    // The state of an ordered dictionary is dropped.
    assert!(empty(b"ccollections\nOrderedDict\n)R}b."));
    // Pairs, as Python 2 wrote them.
    let pairs = items(b"ccollections\nOrderedDict\n(]](K\x01K\x02eatR.");
    assert_eq!(pairs, [Value::Int(1), Value::Int(2)]);
    // What no tensor is made of takes whatever it is given.
    assert_eq!(read(b"cargparse\nNamespace\n)\x81}b.").unwrap().root, Value::Opaque);
    assert_eq!(read(b"ccollections\nCounter\n}\x85RK\x01K\x02s.").unwrap().root, Value::Opaque);
    assert_eq!(read(b"\x8f(K\x01\x90.").unwrap().root, Value::Opaque);
}

const STORAGE: &[u8] = b"(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x06tQ";

#[test]
fn tensors_are_views_into_storages() {
    let tensor =
        [b"ctorch._utils\n_rebuild_tensor_v2\n(", STORAGE, b"K\x00K\x02K\x03\x86K\x03K\x01\x86\x89N"]
            .concat();
    let parameter = [b"ctorch._utils\n_rebuild_parameter\n", &tensor[..], b"tR\x88N\x87R."].concat();
    for program in [[&tensor, &b"tR."[..]].concat(), parameter] {
        let pickle = read(&program).unwrap();
        let Value::Tensor(handle) = pickle.root else { panic!("{:?}", pickle.root) };
        let tensor = pickle.heap.tensor(handle);
        assert_eq!(tensor.dims(), [2, 3]);
        let storage = tensor.storage();
        assert_eq!((storage.key, storage.format, storage.len), ("0", Format::Number(Number::F32), 6));
    }
}

#[test]
fn an_object_of_a_class_is_passed_over() {
    let class = Some(["models.edsr", "EDSR"]);
    let mut rest = read(b"(cmodels.edsr\nEDSR\n)\x81}bK\x07t.").unwrap();
    assert_eq!(rest.class, class);
    let Value::Sequence(items) = rest.root else { panic!("{}", rest.root) };
    assert_eq!(rest.heap.items(items), [Value::Opaque, Value::Int(7)]);
    // As it was written before PyTorch 1.6, with the class's source.
    rest = read(b"(X\x06\0\0\0modulecmodels.edsr\nEDSR\nNNtQ)\x81.").unwrap();
    assert_eq!((rest.class, rest.root), (class, Value::Opaque));
}

#[test]
fn what_is_not_accepted_is_named() {
    let tensor = |view: &[u8]| [b"ctorch._utils\n_rebuild_tensor_v2\n(", STORAGE, view, b"tR."].concat();
    let cases: [(Vec<u8>, &str); 23] = [
        (b"cos\nsystem\nU\x04pwd \x85R.".to_vec(), "byte 0: the global os.system is not accepted"),
        (b"N\x8c\x05posix\x8c\x06system\x93.".to_vec(), "byte 16: the global posix.system is not accepted"),
        (b"ctorch\nQInt8Storage\n.".to_vec(), "torch.QInt8Storage is not accepted"),
        (b"Ni.".to_vec(), "byte 1: the pickle opcode 0x69 is not accepted; accepted are PROTO, FRAME"),
        (b"".to_vec(), "byte 0: the pickle needs 1 more bytes, found 0"),
        (b"X\xff\xff\xff\xffa".to_vec(), "needs 4294967295 more bytes, found 1"),
        (b"cos".to_vec(), "a name without an end"),
        (b".".to_vec(), "stack is empty"),
        (b"K\x01(.".to_vec(), "stack is empty"),
        (b"K\x01(\x85.".to_vec(), "holds 0 values where 1 are needed"),
        (b"t.".to_vec(), "has no mark"),
        (b"h\x00.".to_vec(), "memo has no 0"),
        (b"NK\x01a.".to_vec(), "1 items are added to None"),
        (b"}(K\x01u.".to_vec(), "1 items are added to a dictionary"),
        (b"NN\x93.".to_vec(), "a global is named by None"),
        (b"N)R.".to_vec(), "None is called"),
        (b"ctorch\nFloatStorage\n)R.".to_vec(), "a storage is called"),
        (b"NQ.".to_vec(), "a persistent object that is not"),
        (b"ctorch._utils\n_rebuild_tensor_v2\n)R.".to_vec(), "a tensor is not made of"),
        (tensor(b"K\x00K\x07\x85K\x01\x85"), "sizes [7], strides [1] and offset 0 reaches out of storage 0"),
        (tensor(b"K\x00K\x02\x85)"), "a tensor of sizes [2] has strides []"),
        (tensor(b"J\xff\xff\xff\xff))"), "-1 is no size, stride or offset"),
        (tensor(b"K\x00N\x85)"), "None is no size, stride or offset"),
    ];
    for (program, expected) in cases {
        let reason = read(&program).unwrap_err();
        assert!(reason.contains(expected), "{reason}, not {expected}");
    }
}

#[test]
fn a_pickle_has_an_end() {
    let endless = vec![b'}'; MAX_OPCODES + 1];
    assert!(read(&endless).unwrap_err().contains("more than 2097152 opcodes"));
}

/// Every accepted opcode has an arm in the machine.
#[test]
fn the_list_of_opcodes_is_the_machines() {
    for opcode in 0..=u8::MAX {
        let listed = op::ACCEPTED.iter().any(|(accepted, _)| *accepted == opcode);
        let refused = read(&[opcode]).is_err_and(|reason| reason.contains("is not accepted"));
        assert_ne!(listed, refused, "{opcode:#04x}");
    }
}
