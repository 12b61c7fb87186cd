//! The embedded store with the one operation that it lacks and that clients which clean up need: `ListMultipartUploads`.

use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use std::collections::BTreeMap;
use std::sync::Mutex;

/// The store, and which uploads are open in it: bucket and key by id. All else is the store's.
#[derive(Debug)]
pub(crate) struct Listing {
    store: FileSystem,
    open: Mutex<BTreeMap<String, (String, String)>>,
}

impl Listing {
    pub(crate) fn of(store: FileSystem) -> Listing {
        Listing { store, open: Mutex::default() }
    }
}

/// Operations that are passed on as they are.
macro_rules! passed_on {
    ($($operation:ident: $input:ty => $output:ty),* $(,)?) => {
        #[async_trait::async_trait]
        impl S3 for Listing {
            $(async fn $operation(&self, request: S3Request<$input>) -> S3Result<S3Response<$output>> {
                self.store.$operation(request).await
            })*

            async fn create_multipart_upload(
                &self,
                request: S3Request<CreateMultipartUploadInput>,
            ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
                let place = (request.input.bucket.clone(), request.input.key.clone());
                let answer = self.store.create_multipart_upload(request).await?;
                let id = answer.output.upload_id.clone().unwrap();
                self.open.lock().unwrap().insert(id, place);
                Ok(answer)
            }

            async fn complete_multipart_upload(
                &self,
                request: S3Request<CompleteMultipartUploadInput>,
            ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
                let id = request.input.upload_id.clone();
                let answer = self.store.complete_multipart_upload(request).await?;
                self.open.lock().unwrap().remove(&id);
                Ok(answer)
            }

            async fn abort_multipart_upload(
                &self,
                request: S3Request<AbortMultipartUploadInput>,
            ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
                let id = request.input.upload_id.clone();
                let answer = self.store.abort_multipart_upload(request).await?;
                self.open.lock().unwrap().remove(&id);
                Ok(answer)
            }

            /// All of them on one page.
            async fn list_multipart_uploads(
                &self,
                request: S3Request<ListMultipartUploadsInput>,
            ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
                let ListMultipartUploadsInput { bucket, prefix, .. } = request.input;
                let prefix = prefix.unwrap_or_default();
                let open = self.open.lock().unwrap();
                let asked = open.iter().filter(|(_, (of, key))| *of == bucket && key.starts_with(&prefix));
                let uploads = asked.map(|(id, (_, key))| MultipartUpload {
                    key: Some(key.clone()),
                    upload_id: Some(id.clone()),
                    ..MultipartUpload::default()
                });
                Ok(S3Response::new(ListMultipartUploadsOutput {
                    uploads: Some(uploads.collect()),
                    bucket: Some(bucket),
                    is_truncated: Some(false),
                    ..ListMultipartUploadsOutput::default()
                }))
            }
        }
    };
}

passed_on! {
    copy_object: CopyObjectInput => CopyObjectOutput,
    create_bucket: CreateBucketInput => CreateBucketOutput,
    delete_bucket: DeleteBucketInput => DeleteBucketOutput,
    delete_object: DeleteObjectInput => DeleteObjectOutput,
    delete_objects: DeleteObjectsInput => DeleteObjectsOutput,
    get_bucket_location: GetBucketLocationInput => GetBucketLocationOutput,
    get_object: GetObjectInput => GetObjectOutput,
    head_bucket: HeadBucketInput => HeadBucketOutput,
    head_object: HeadObjectInput => HeadObjectOutput,
    list_buckets: ListBucketsInput => ListBucketsOutput,
    list_objects: ListObjectsInput => ListObjectsOutput,
    list_objects_v2: ListObjectsV2Input => ListObjectsV2Output,
    list_parts: ListPartsInput => ListPartsOutput,
    put_object: PutObjectInput => PutObjectOutput,
    upload_part: UploadPartInput => UploadPartOutput,
    upload_part_copy: UploadPartCopyInput => UploadPartCopyOutput,
}
