//! The client against a server that does as it is told: what comes behind the keys of a connection, right and wrong.

use super::hello::{SECP256R1, X25519, message, with_length};
use super::keys::{self, HEAD, Protection, Schedule};
use super::*;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use proptest::prelude::*;
use sha2::Digest;

/// An element of DER.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let length = match body.len() {
        short @ 0..=127 => vec![short as u8],
        middle @ 128..=255 => vec![0x81, middle as u8],
        long => vec![0x82, (long >> 8) as u8, long as u8],
    };
    [&[tag][..], &length, &body].concat()
}

fn key() -> SigningKey {
    SigningKey::from_slice(&[9; 32]).unwrap()
}

/// A certificate of this key for localhost, signed by itself, from 2020 to 2049.
fn certificate() -> Vec<u8> {
    const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    const EC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    let algorithm = der(0x30, &[&der(6, &[ECDSA_SHA256])]);
    let name = der(0x30, &[&der(0x31, &[&der(0x30, &[&der(6, &[&[0x55, 4, 3]]), &der(12, &[b"localhost"])])])]);
    let validity = der(0x30, &[&der(0x17, &[b"200101000000Z"]), &der(0x17, &[b"490101000000Z"])]);
    let point = key().verifying_key().to_sec1_point(false);
    let spki = der(0x30, &[&der(0x30, &[&der(6, &[EC_KEY]), &der(6, &[P256])]), &der(3, &[&[0], point.as_bytes()])]);
    let names = der(4, &[&der(0x30, &[&der(0x82, &[b"localhost"])])]);
    let extensions = der(0xa3, &[&der(0x30, &[&der(0x30, &[&der(6, &[&[0x55, 0x1d, 0x11]]), &names])])]);
    let version = der(0xa0, &[&der(2, &[&[2]])]);
    let body = der(0x30, &[&version, &der(2, &[&[1]]), &algorithm, &name, &validity, &name, &spki, &extensions]);
    let signature: Signature = key().sign(&body);
    der(0x30, &[&body, &algorithm, &der(3, &[&[0], signature.to_der().as_bytes()])])
}

fn settings() -> Settings {
    Settings {
        server_name: Some("localhost".to_owned()),
        protocol: "h2",
        needs_protocol: true,
        trust: None,
        identity: None,
        random: [7; 96],
    }
}

/// What a server sends behind its hello: each message may be changed before it is sent, and dropped.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Extensions,
    Certificate,
    Verify,
    Finished,
    Data,
}

struct Server {
    client: Client,
    transcript: Sha256,
    keys: Protection,
    plain: Vec<u8>,
}

impl Server {
    /// The hellos are exchanged.
    fn begin(settings: Settings) -> (Server, Schedule) {
        let mut client = Client::new(settings).unwrap();
        let hello = std::mem::take(&mut client.out).split_off(HEAD);
        let share = hello.windows(4).position(|bytes| bytes == [0, 23, 0, 65]).unwrap() + 4;
        let public = PublicKey::from_sec1_bytes(&hello[share..share + 65]).unwrap();
        let secret = SecretKey::from_slice(&[8; 32]).unwrap();
        let point = secret.public_key().to_sec1_point(false);
        let share = [&[0, 51, 0, 69, 0, 23, 0, 65], point.as_bytes()].concat();
        let extensions = [&[0, 43, 0, 2, 3, 4], share.as_slice()].concat();
        let body = [&[3, 3][..], &[5; 32], &[0, 0x13, 1, 0], &with_length::<2>(&extensions)].concat();
        let answer = message(kind::SERVER_HELLO, &body);
        let mut transcript = Sha256::new_with_prefix(&hello);
        transcript.update(&answer);
        let shared = secret.diffie_hellman(&public);
        let schedule = Schedule::of_handshake(shared.raw_secret_bytes(), &transcript.clone().finalize().into());
        let mut plain = Vec::new();
        let record = [&keys::head(record::HANDSHAKE, answer.len())[..], &answer].concat();
        client.feed(&record, &mut plain).unwrap();
        let keys = Protection::new(&schedule.server);
        (Server { client, transcript, keys, plain }, schedule)
    }

    fn hash(&self) -> keys::Hash {
        self.transcript.clone().finalize().into()
    }

    /// Sends a record of this kind, byte by byte.
    fn send(&mut self, kind: u8, bytes: &[u8]) -> Result<(), String> {
        let mut out = Vec::new();
        self.keys.seal(kind, bytes, &mut out);
        out.chunks(7).try_for_each(|piece| self.client.feed(piece, &mut self.plain))
    }

    fn say(&mut self, kind: u8, body: &[u8]) -> Result<(), String> {
        let whole = message(kind, body);
        self.transcript.update(&whole);
        self.send(record::HANDSHAKE, &whole)
    }
}

/// The handshake, of which one part is changed: the server, and the keys that come of it.
fn open(settings: Settings, part: impl Fn(Part, Vec<u8>) -> Vec<u8>) -> Result<(Server, Schedule), String> {
    let (mut server, schedule) = Server::begin(settings);
    let extensions = part(Part::Extensions, with_length::<2>(&[0, 16, 0, 5, 0, 3, 2, b'h', b'2']));
    server.say(kind::ENCRYPTED_EXTENSIONS, &extensions)?;
    let list = [with_length::<3>(&certificate()), vec![0, 0]].concat();
    server.say(kind::CERTIFICATE, &part(Part::Certificate, [vec![0], with_length::<3>(&list)].concat()))?;
    let signed = super::certificate::signed(b"TLS 1.3, server CertificateVerify", &server.hash());
    let signature: Signature = key().sign(&signed);
    let verify = [vec![4, 3], with_length::<2>(signature.to_der().as_bytes())].concat();
    server.say(kind::CERTIFICATE_VERIFY, &part(Part::Verify, verify))?;
    let finished = keys::finished(&schedule.server, &server.hash()).to_vec();
    server.say(kind::FINISHED, &part(Part::Finished, finished))?;
    let traffic = schedule.of_traffic(&server.hash());
    server.keys = Protection::new(&traffic.server);
    Ok((server, traffic))
}

/// A whole connection, of which one part is changed: what the client has read, or why not.
fn talk(settings: Settings, which: Part, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Result<String, String> {
    let part = |part: Part, bytes: Vec<u8>| if part == which { change(bytes) } else { bytes };
    let (mut server, _) = open(settings, part)?;
    for bytes in part(Part::Data, b"hello".to_vec()).chunks(5) {
        match bytes {
            [b'!', kind, rest @ ..] => server.send(*kind, rest)?,
            bytes => server.send(record::DATA, bytes)?,
        }
    }
    server.send(record::ALERT, &[1, 0])?;
    assert!(server.client.is_open() && server.client.is_closed());
    Ok(String::from_utf8_lossy(&server.plain).into_owned())
}

fn trusting(name: &str, now: u64) -> Settings {
    let trust = Trust { roots: vec![certificate()], name: name.to_owned(), now };
    Settings { trust: Some(trust), ..settings() }
}

#[test]
fn a_connection_and_its_near_misses() {
    let same = |bytes: Vec<u8>| bytes;
    assert_eq!(talk(settings(), Part::Data, same).as_deref(), Ok("hello"));
    let now = 1_800_000_000;
    assert_eq!(talk(trusting("localhost", now), Part::Data, same).as_deref(), Ok("hello"));
    for (settings, said) in [
        (trusting("example.com", now), "not made out to 'example.com'"),
        (trusting("localhost", 3_000_000_000), "it has expired"),
        (trusting("localhost", 1_500_000_000), "it is not valid yet"),
        (
            Settings { trust: Some(Trust { roots: Vec::new(), name: "localhost".to_owned(), now }), ..settings() },
            "it leads to no CA",
        ),
    ] {
        let why = talk(settings, Part::Data, same).unwrap_err();
        assert!(why.contains(said), "{said}: {why}");
    }
}

type Change = fn(Vec<u8>) -> Vec<u8>;

#[test]
fn what_is_wrong_behind_the_keys_is_refused() {
    let flip = |mut bytes: Vec<u8>| {
        *bytes.last_mut().unwrap() ^= 1;
        bytes
    };
    let kinds: [(Part, Change, &str); 22] = [
        (Part::Extensions, |_| Vec::new(), BROKEN),
        (Part::Extensions, |_| vec![0, 0], "does not speak h2"),
        (Part::Extensions, |_| vec![0, 9], BROKEN),
        (Part::Extensions, |bytes| [bytes, vec![0]].concat(), BROKEN),
        (Part::Extensions, |_| with_length::<2>(&[0, 16, 0, 5, 0, 3, 2, b'h', b'3']), "does not speak h2"),
        (Part::Extensions, |_| with_length::<2>(&[0, 16, 0, 2, 0, 9]), BROKEN),
        (Part::Certificate, |_| Vec::new(), BROKEN),
        (Part::Certificate, |_| vec![0, 0, 0, 0], BROKEN),
        (Part::Certificate, |bytes| [vec![1], bytes].concat(), BROKEN),
        (Part::Certificate, |bytes| bytes[..bytes.len() - 1].to_vec(), BROKEN),
        (Part::Verify, |_| Vec::new(), "an unreadable CertificateVerify"),
        (Part::Verify, |bytes| [vec![8, 4], bytes[2..].to_vec()].concat(), "does not have the key"),
        (Part::Verify, |bytes| [vec![2, 3], bytes[2..].to_vec()].concat(), "that it was not asked for"),
        (Part::Verify, |_| vec![4, 3, 0, 2, 0x30, 0], "does not have the key"),
        (Part::Finished, |_| Vec::new(), BROKEN),
        (Part::Finished, |_| vec![0; 32], BROKEN),
        (Part::Finished, |bytes| [bytes, vec![0]].concat(), BROKEN),
        (Part::Data, |_| b"!\x14\x01".to_vec(), BROKEN),
        (Part::Data, |_| b"!\x16".to_vec(), BROKEN),
        (Part::Data, |_| b"!\x15\x02\x74".to_vec(), "the server wants a client certificate"),
        (Part::Data, |_| b"!\x15\x02".to_vec(), BROKEN),
        (Part::Data, |_| b"!\x16\x01\0\0".to_vec(), ""),
    ];
    for (at, (part, change, said)) in kinds.into_iter().enumerate() {
        let result = talk(settings(), part, change);
        match result {
            Err(why) => assert!(why.contains(said), "{at}: {why}"),
            // A message that goes on in the next record.
            Ok(text) => assert!(said.is_empty(), "{at}: {text}"),
        }
    }
    for part in [Part::Certificate, Part::Verify, Part::Finished] {
        if part != Part::Certificate {
            assert!(talk(settings(), part, flip).is_err());
        }
        assert!(talk(trusting("localhost", 1_800_000_000), part, flip).is_err());
    }
}

/// The records that a client has sent, opened.
fn sent(client: &mut Client, keys: &mut Protection) -> Option<(u8, Vec<u8>)> {
    let head = client.out.get(..HEAD)?.to_vec();
    let length = usize::from(u16::from_be_bytes([head[3], head[4]]));
    let body: Vec<u8> = client.out.drain(..HEAD + length).skip(HEAD).collect();
    keys.open(&head, &body)
}

#[test]
fn keys_are_renewed_and_tickets_ignored() {
    let (mut server, traffic) = open(settings(), |_, bytes| bytes).unwrap();
    let mut keys = Protection::new(&traffic.client);
    server.client.out.clear();
    server.send(record::HANDSHAKE, &message(kind::NEW_SESSION_TICKET, &[0; 20])).unwrap();
    for answered in [0, 1] {
        server.send(record::HANDSHAKE, &message(kind::KEY_UPDATE, &[answered])).unwrap();
        server.keys.update();
        server.send(record::DATA, b"new").unwrap();
    }
    assert_eq!(server.plain, b"newnew");
    // It answers by the old keys, and goes on by new ones.
    server.client.send(&mut b"question".to_vec());
    assert_eq!(sent(&mut server.client, &mut keys), Some((record::HANDSHAKE, message(kind::KEY_UPDATE, &[0]))));
    keys.update();
    assert_eq!(sent(&mut server.client, &mut keys), Some((record::DATA, b"question".to_vec())));
    assert_eq!(sent(&mut server.client, &mut keys), None);
    assert!(server.send(record::HANDSHAKE, &message(kind::KEY_UPDATE, &[2])).is_err());
    // The old keys hold no longer.
    let (mut server, _) = open(settings(), |_, bytes| bytes).unwrap();
    server.send(record::HANDSHAKE, &message(kind::KEY_UPDATE, &[0])).unwrap();
    assert_eq!(server.send(record::DATA, b"old"), Err(BAD_RECORD.to_owned()));
}

#[test]
fn nothing_is_said_before_the_end_of_the_handshake() {
    let (mut server, _) = Server::begin(settings());
    server.say(kind::ENCRYPTED_EXTENSIONS, &with_length::<2>(&[0, 16, 0, 5, 0, 3, 2, b'h', b'2'])).unwrap();
    server.client.send(&mut b"question".to_vec());
    assert!(server.client.out.is_empty());
    assert!(server.send(record::DATA, b"early").is_err());
}

#[test]
fn a_server_that_sends_no_data_is_not_listened_to_for_ever() {
    for (kind, bytes, most) in [
        (record::HANDSHAKE, message(kind::NEW_SESSION_TICKET, &[0; 8000]), 100),
        (record::HANDSHAKE, message(kind::KEY_UPDATE, &[0]), 60_000),
        (record::DATA, Vec::new(), 110_000),
    ] {
        let (mut server, _) = open(settings(), |_, bytes| bytes).unwrap();
        let mut plain = Vec::new();
        let refused = (0..most).find_map(|_| server.client.content(kind, &bytes, &mut plain).err());
        assert!(refused.is_some_and(|why| why.contains("too much TLS")), "{kind}");
    }
    let mut client = Client::new(settings()).unwrap();
    let change = [&keys::head(record::CHANGE_CIPHER_SPEC, 1)[..], &[1]].concat();
    assert!((0..110_000).any(|_| client.feed(&change, &mut Vec::new()).is_err()));
}

#[test]
fn a_record_of_other_keys_is_refused() {
    let (mut server, _) = Server::begin(settings());
    server.keys = Protection::new(&[1; 32]);
    assert_eq!(server.say(kind::ENCRYPTED_EXTENSIONS, &[0, 0]), Err(BAD_RECORD.to_owned()));
}

proptest! {
    // The arithmetic of P-256 is slow where it is not optimized.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn no_bytes_are_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), piece in 1usize..50) {
        let mut client = Client::new(settings()).unwrap();
        let mut plain = Vec::new();
        let _ = bytes.chunks(piece).try_for_each(|piece| client.feed(piece, &mut plain));
        prop_assert!(!client.is_open() && plain.is_empty());
        let _ = super::certificate::read(&bytes);
        let _ = hello::server_key(&bytes);
        let _ = hello::chosen_protocol(&bytes);
    }

    #[test]
    fn no_message_behind_the_keys_is_a_panic(kind: u8, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let (mut server, _) = Server::begin(trusting("localhost", 1));
        let _ = server.say(kind::ENCRYPTED_EXTENSIONS, &with_length::<2>(&[0, 16, 0, 5, 0, 3, 2, b'h', b'2']));
        let _ = server.say(kind, &bytes);
        let _ = server.say(kind::CERTIFICATE, &[vec![0], with_length::<3>(&[with_length::<3>(&bytes), vec![0, 0]].concat())].concat());
        prop_assert!(!server.client.is_open());
    }
}

#[test]
fn keys_that_make_nothing_secret_are_refused() {
    let client = Client::new(settings()).unwrap();
    let base = [&[9][..], &[0; 31]].concat();
    assert!(client.shared_secret(X25519, &base).is_some_and(|secret| secret.len() == 32));
    for (group, key) in [
        (X25519, vec![0; 32]),
        (X25519, [&[1][..], &[0; 31]].concat()),
        (X25519, vec![9; 31]),
        (X25519, Vec::new()),
        (SECP256R1, vec![0; 65]),
        (SECP256R1, base.clone()),
        // P-384, which was not offered.
        (24, base),
    ] {
        assert_eq!(client.shared_secret(group, &key), None, "{group} {key:?}");
    }
}
