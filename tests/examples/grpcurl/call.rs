//! `grpcurl -d MESSAGE SERVICE/METHOD`: JSON in, JSON out, and errors with their details.

use super::schema::Schema;
use bytes::Buf;
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::fmt::Write;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};
use tonic_types::pb;

pub(super) async fn call(schema: &Schema, method: &str, data: &str) -> String {
    let (service, name) = method.split_once('/').unwrap();
    let service = schema.file_of(service).await.get_service_by_name(service).unwrap();
    let method = service.methods().find(|method| method.name() == name).unwrap();
    let mut json = serde_json::Deserializer::from_str(data);
    let request = DynamicMessage::deserialize(method.input(), &mut json).unwrap();
    let path = PathAndQuery::try_from(format!("/{}/{name}", service.full_name())).unwrap();
    let mut client = Grpc::new(schema.channel.clone());
    client.ready().await.unwrap();
    let mut text = String::new();
    // A call with one answer is a stream of one.
    let stream = client.server_streaming(Request::new(request), path, Dynamic(method.output())).await;
    let ended = match stream {
        Ok(answer) => told(answer.into_inner(), &mut text).await,
        Err(status) => Err(status),
    };
    if let Err(status) = ended {
        text += &error(schema, &status).await;
    }
    text
}

async fn told(mut stream: tonic::Streaming<DynamicMessage>, text: &mut String) -> Result<(), Status> {
    while let Some(message) = stream.message().await? {
        writeln!(text, "{}", serde_json::to_string_pretty(&message).unwrap()).unwrap();
    }
    Ok(())
}

async fn error(schema: &Schema, status: &Status) -> String {
    let mut text = format!("ERROR:\n  Code: {:?}\n  Message: {}\n", status.code(), status.message());
    let details = pb::Status::decode(status.details()).unwrap().details;
    if !details.is_empty() {
        text += "  Details:\n";
    }
    for (number, detail) in details.iter().enumerate() {
        let name = detail.type_url.rsplit('/').next().unwrap();
        let kind = schema.file_of(name).await.get_message_by_name(name).unwrap();
        let message = DynamicMessage::decode(kind, detail.value.as_slice()).unwrap();
        // The members of the outermost object come sorted, the type among them; what is in them stays as it is.
        let json = serde_json::to_string_pretty(&message).unwrap();
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(&json).unwrap();
        members.insert("@type".into(), RawValue::from_string(format!("\"{}\"", detail.type_url)).unwrap());
        let json = serde_json::to_string_pretty(&members).unwrap();
        writeln!(text, "  {})\t{}", number + 1, json.replace('\n', "\n    \t")).unwrap();
    }
    text
}

/// Messages that are known by their descriptor only.
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self(self.0.clone())
    }

    fn decoder(&mut self) -> Self {
        Self(self.0.clone())
    }
}

impl Encoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(to).map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let bytes = from.copy_to_bytes(from.remaining());
        let message = DynamicMessage::decode(self.0.clone(), bytes);
        message.map(Some).map_err(|error| Status::internal(error.to_string()))
    }
}
