//! A real bucket, with a faulty way to it.

use std::sync::Arc;

use planb_harness::Skip;
use planb_harness::proxy::Proxy;
use planb_harness::stores::SeaweedFs;

use crate::s3::Client;

/// A bucket of a real S3 server, and a proxy in front of it.
#[derive(Debug)]
pub struct Bucket {
    /// The server.
    pub s3: Arc<SeaweedFs>,
    /// The way to it that can fail.
    pub proxy: Proxy,
    /// The bucket.
    pub name: String,
    /// Looks into it, past planb.
    pub client: Client,
}

impl Bucket {
    /// A server with one bucket.
    ///
    /// # Errors
    /// [`Skip`] where no server can be had.
    pub fn start(name: &str) -> Result<Arc<Self>, Skip> {
        Ok(Self::of(&Arc::new(SeaweedFs::start()?), name))
    }

    /// A further way to the same bucket, with faults of its own.
    pub fn another_way(&self) -> Arc<Self> {
        let proxy = Proxy::to(&self.s3.endpoint());
        Arc::new(Self { s3: Arc::clone(&self.s3), proxy, name: self.name.clone(), client: self.client.clone() })
    }

    /// A further bucket of a server, with a way of its own.
    pub fn of(s3: &Arc<SeaweedFs>, name: &str) -> Arc<Self> {
        s3.create_bucket(name);
        let proxy = Proxy::to(&s3.endpoint());
        let of = |wanted: &str| s3.env().into_iter().find(|(name, _)| *name == wanted).expect("a credential").1;
        let client = Client::new(&s3.endpoint(), &of("AWS_ACCESS_KEY_ID"), &of("AWS_SECRET_ACCESS_KEY"));
        Arc::new(Self { s3: Arc::clone(s3), proxy, name: name.to_owned(), client })
    }
}
