//! Bytes that no client of ours would write: a produce request by hand.

use std::io::{Read, Write};
use std::net::TcpStream;

use billing_engine::log::Client;
use billing_engine::log::kafka::KafkaClient;

use crate::stage::{COMMANDS, drafts, numbered, stage, within};

/// CRC-32C, bit by bit.
fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

/// A small number as the protocol writes it inside a record: zigzag, one byte.
fn small(number: usize) -> u8 {
    assert!(number < 64);
    (number * 2) as u8
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as i16).to_be_bytes(), text.as_bytes()].concat()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as i32).to_be_bytes(), bytes].concat()
}

/// One record of key `k`, value `v` and these headers, as a batch of the format since Kafka 0.11.
fn batch(headers: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut record = vec![0, 0, 0, small(1), b'k', small(1), b'v', small(headers.len())];
    for (name, value) in headers {
        record.push(small(name.len()));
        record.extend(*name);
        record.push(small(value.len()));
        record.extend(*value);
    }
    record.insert(0, small(record.len()));

    let mut checked = Vec::new();
    checked.extend([0; 2 + 4]); // attributes, last offset delta
    checked.extend([0; 8 + 8]); // first and last timestamp
    checked.extend((-1_i64).to_be_bytes()); // producer id
    checked.extend((-1_i16).to_be_bytes()); // producer epoch
    checked.extend((-1_i32).to_be_bytes()); // first sequence
    checked.extend(1_i32.to_be_bytes()); // records
    checked.extend(record);

    let mut rest = (-1_i32).to_be_bytes().to_vec(); // leader epoch
    rest.push(2); // format
    rest.extend(checksum(&checked).to_be_bytes());
    rest.extend(checked);
    [&0_i64.to_be_bytes()[..], &sized(&rest)].concat()
}

/// Produce, version 3, to partition 0, acknowledged by all replicas; answers the error code.
fn produce(broker: &str, topic: &str, batch: &[u8]) -> i16 {
    let mut request = Vec::new();
    request.extend(0_i16.to_be_bytes()); // produce
    request.extend(3_i16.to_be_bytes());
    request.extend(7_i32.to_be_bytes()); // correlation
    request.extend(text("by hand"));
    request.extend((-1_i16).to_be_bytes()); // no transaction
    request.extend((-1_i16).to_be_bytes()); // all replicas
    request.extend(10_000_i32.to_be_bytes());
    request.extend(1_i32.to_be_bytes()); // topics
    request.extend(text(topic));
    request.extend(1_i32.to_be_bytes()); // partitions
    request.extend(0_i32.to_be_bytes());
    request.extend(sized(batch));

    let mut connection = TcpStream::connect(broker).unwrap();
    connection.write_all(&sized(&request)).unwrap();
    let mut length = [0; 4];
    connection.read_exact(&mut length).unwrap();
    let mut answer = vec![0; i32::from_be_bytes(length) as usize];
    connection.read_exact(&mut answer).unwrap();
    // Correlation, one topic with its name, one partition with its number, then the code.
    let code = 4 + 4 + 2 + topic.len() + 4 + 4;
    i16::from_be_bytes([answer[code], answer[code + 1]])
}

#[tokio::test]
async fn a_header_whose_name_is_no_text_costs_that_header_and_nothing_else() {
    let settings = stage().await;
    let foreign = batch(&[(b"good", b"1"), (b"\xff\xfe", b"2"), (b"last", b"\xff")]);
    assert_eq!(produce(&settings.brokers, &COMMANDS.full_name(&settings.prefix), &foreign), 0);
    let client = KafkaClient::new(settings).unwrap();
    within(client.append(drafts(COMMANDS, 0, numbered("next", 0..1)))).await.unwrap();

    let mut chunks = client.read(COMMANDS, 0, 0..2);
    let mut read = Vec::new();
    while let Some(chunk) = within(chunks.recv()).await {
        for record in chunk.unwrap().iter() {
            let headers: Vec<_> = record.headers.iter().map(|(n, v)| (n.to_vec(), v.unwrap().to_vec())).collect();
            read.push((record.value.unwrap().to_vec(), headers));
        }
    }
    let kept = vec![(b"good".to_vec(), b"1".to_vec()), (b"last".to_vec(), b"\xff".to_vec())];
    assert_eq!(read, [(b"v".to_vec(), kept), (b"next-0".to_vec(), vec![])]);
}
