//! What a daemon says about itself by reflection (grpc.reflection.v1).

use prost::Message;
use prost_reflect::DescriptorPool;
use prost_types::{FileDescriptorProto, FileDescriptorSet};
use std::collections::BTreeMap;
use tonic::transport::{Channel, Endpoint};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

pub(super) struct Schema {
    pub(super) channel: Channel,
}

impl Schema {
    pub(super) async fn connect(address: &str) -> Self {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        Self { channel: endpoint.connect().await.unwrap() }
    }

    /// The services, sorted.
    pub(super) async fn services(&self) -> Vec<String> {
        let answer = self.ask(MessageRequest::ListServices(String::new())).await;
        let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
        let mut names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
        names.sort();
        names
    }

    /// The file that declares a symbol, with all that it imports.
    pub(super) async fn file_of(&self, symbol: &str) -> DescriptorPool {
        let mut files = BTreeMap::new();
        let mut wanted = Vec::new();
        self.add(MessageRequest::FileContainingSymbol(symbol.to_owned()), &mut files, &mut wanted).await;
        while let Some(name) = wanted.pop() {
            if !files.contains_key(&name) {
                self.add(MessageRequest::FileByFilename(name), &mut files, &mut wanted).await;
            }
        }
        let set = FileDescriptorSet { file: files.into_values().collect() };
        DescriptorPool::from_file_descriptor_set(set).unwrap()
    }

    async fn add(
        &self,
        request: MessageRequest,
        files: &mut BTreeMap<String, FileDescriptorProto>,
        wanted: &mut Vec<String>,
    ) {
        let answer = self.ask(request).await;
        let MessageResponse::FileDescriptorResponse(told) = answer else { panic!("{answer:?}") };
        for bytes in told.file_descriptor_proto {
            let file = FileDescriptorProto::decode(bytes.as_slice()).unwrap();
            wanted.extend(file.dependency.iter().cloned());
            files.insert(file.name().to_owned(), file);
        }
    }

    async fn ask(&self, request: MessageRequest) -> MessageResponse {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(request) };
        let mut client = ServerReflectionClient::new(self.channel.clone());
        let mut answers = client.server_reflection_info(tokio_stream::once(request)).await.unwrap().into_inner();
        answers.message().await.unwrap().unwrap().message_response.unwrap()
    }
}
