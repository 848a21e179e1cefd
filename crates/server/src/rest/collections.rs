//! Requests on collections and field indexes.

use vectorizer_api::collections::{
    CollectionExists, DeleteCollection, GetCollection, ListCollections,
};
use vectorizer_wire::answer::{CollectionsOut, ExistsOut, UpdateOut};
use vectorizer_wire::collections::{CreateIn, UpdateIn};
use vectorizer_wire::index::{CreateIndexIn, delete_index};
use vectorizer_wire::info::collection_info;

use super::call::{Call, Outcome};

pub(super) async fn list(call: Call) -> Outcome {
    let names = call.run(ListCollections).await?;
    call.reply(CollectionsOut::new(&names))
}

pub(super) async fn get(call: Call) -> Outcome {
    let info = call.run(GetCollection { name: call.collection()? }).await?;
    call.reply(collection_info(&info))
}

pub(super) async fn exists(call: Call) -> Outcome {
    let exists = call.run(CollectionExists { name: call.collection()? }).await?;
    call.reply(ExistsOut { exists })
}

pub(super) async fn create(mut call: Call) -> Outcome {
    let operation = call.read(|read: CreateIn, name, _| read.into_operation(name)).await?;
    call.run(operation).await?;
    call.reply(true)
}

pub(super) async fn update(mut call: Call) -> Outcome {
    let operation = call.read(|read: UpdateIn, name, _| read.into_operation(name)).await?;
    call.run(operation).await?;
    call.reply(true)
}

pub(super) async fn delete(call: Call) -> Outcome {
    let existed = call.run(DeleteCollection { name: call.collection()? }).await?;
    call.reply(existed)
}

pub(super) async fn create_index(mut call: Call) -> Outcome {
    let operation = call.read(|read: CreateIndexIn, name, _| read.into_operation(name)).await?;
    let written = call.run(operation).await?;
    call.reply(UpdateOut::new(written.seq, call.params()?.wait))
}

pub(super) async fn drop_index(call: Call) -> Outcome {
    let written = call.run(delete_index(call.collection()?, call.path(1))?).await?;
    call.reply(UpdateOut::new(written.seq, call.params()?.wait))
}
