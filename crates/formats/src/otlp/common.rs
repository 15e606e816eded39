//! What the requests of all signals have in common: groups by resource and scope, attributes, values.
//!
//! As protobuf asks, of a repeated singular field the last value stays and messages are merged.
//! `EntityRef`s of a resource have no place in the model and are passed over unread.

use std::sync::Arc;

use spanloom_model::{AttrValue, Attributes, Key, Resource, Scope};

use crate::protobuf::{DecodeError, Reader};
use crate::{Rejected, Rejection, clean, clean_key};

pub(super) type Result<T> = std::result::Result<T, DecodeError>;

/// A signal: how one span or one log record is read.
pub(super) trait Item: Sized {
    /// One with less on the wire is rejected, or says nothing.
    const BYTES_MIN: usize;
    /// What has to be known to read one.
    type Limits;

    /// Reads one, or says why it is not kept.
    fn read(
        decoder: &mut Decoder<Self>,
        reader: Reader,
        resource: &Arc<Resource>,
        scope: &Arc<Scope>,
    ) -> Result<std::result::Result<Self, Rejection>>;
}

/// A request that is being read.
pub(super) struct Decoder<T: Item> {
    pub limits: T::Limits,
    /// Attributes that are being read, those of a nested message after those of the outer one:
    /// each list is then allocated once, in its final size.
    pub entries: Vec<(Key, AttrValue)>,
    /// What is worth keeping, in the order sent.
    pub items: Vec<T>,
    pub rejected: Rejected,
}

impl<T: Item> Decoder<T> {
    /// Reads a request whole.
    pub fn read(body: &[u8], limits: T::Limits) -> Result<Self> {
        let mut decoder =
            Self { limits, entries: Vec::new(), items: Vec::new(), rejected: Rejected::default() };
        let mut reader = Reader::new(body);
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => decoder.resource_group(reader.message(key)?)?,
                _ => reader.skip(key)?,
            }
        }
        Ok(decoder)
    }

    /// Reads the fields twice: the resource may come after what needs it. Passing over a
    /// message costs next to nothing.
    fn resource_group(&mut self, mut reader: Reader) -> Result<()> {
        let mut again = reader.clone();
        let mut resource = Resource::default();
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => self.resource(reader.message(key)?, &mut resource)?,
                3 => resource.schema_url = text(reader.text(key)?),
                _ => reader.skip(key)?,
            }
        }
        resource.attributes = self.take_attributes(0);
        let resource = Arc::new(resource);
        while let Some(key) = again.next_key()? {
            match key.field() {
                2 => self.scope_group(again.message(key)?, &resource)?,
                _ => again.skip(key)?,
            }
        }
        Ok(())
    }

    fn resource(&mut self, mut reader: Reader, resource: &mut Resource) -> Result<()> {
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => self.key_value(reader.message(key)?)?,
                2 => resource.dropped_attributes_count = reader.varint(key)? as u32,
                3 => _ = reader.message(key)?,
                _ => reader.skip(key)?,
            }
        }
        Ok(())
    }

    fn scope_group(&mut self, mut reader: Reader, resource: &Arc<Resource>) -> Result<()> {
        let mut again = reader.clone();
        let mut scope = Scope::default();
        let mut items = 0;
        let items_max = reader.len() / T::BYTES_MIN;
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => self.scope(reader.message(key)?, &mut scope)?,
                2 => {
                    items += 1;
                    reader.skip(key)?;
                }
                3 => scope.schema_url = text(reader.text(key)?),
                _ => reader.skip(key)?,
            }
        }
        scope.attributes = self.take_attributes(0);
        let scope = Arc::new(scope);
        self.items.reserve(items.min(items_max));
        while let Some(key) = again.next_key()? {
            match key.field() {
                2 => match T::read(self, again.message(key)?, resource, &scope)? {
                    Ok(item) => self.items.push(item),
                    Err(rejection) => self.rejected.add(rejection),
                },
                _ => again.skip(key)?,
            }
        }
        Ok(())
    }

    fn scope(&mut self, mut reader: Reader, scope: &mut Scope) -> Result<()> {
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => scope.name = text(reader.text(key)?),
                2 => scope.version = text(reader.text(key)?),
                3 => self.key_value(reader.message(key)?)?,
                4 => scope.dropped_attributes_count = reader.varint(key)? as u32,
                _ => reader.skip(key)?,
            }
        }
        Ok(())
    }

    /// Puts it after the attributes that are being read.
    pub fn key_value(&mut self, mut reader: Reader) -> Result<()> {
        let start = self.entries.len();
        let (mut name, mut value) = ("", AttrValue::Null);
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => name = reader.text(key)?,
                2 => self.any_value(reader.message(key)?, &mut value, start)?,
                // The index into a string table belongs to the profiling signal.
                3 => _ = reader.varint(key)?,
                _ => reader.skip(key)?,
            }
        }
        let value = self.finish(value, start);
        self.entries.push((clean_key(name), value));
        Ok(())
    }

    /// Takes the attributes read since there were `start`.
    pub fn take_attributes(&mut self, start: usize) -> Attributes {
        Attributes::from_tail(&mut self.entries, start)
    }

    /// Merges what is sent into `value`. The reader bounds the recursion.
    ///
    /// A map may be sent in many parts. Its entries stay after the first `start` ones until
    /// [`Self::finish`], and `value` is an empty map so long.
    pub fn any_value(&mut self, mut reader: Reader, value: &mut AttrValue, start: usize) -> Result<()> {
        while let Some(key) = reader.next_key()? {
            let sent = match key.field() {
                1 => AttrValue::String(text(reader.text(key)?)),
                2 => AttrValue::Bool(reader.varint(key)? != 0),
                3 => AttrValue::Int(reader.varint(key)?.cast_signed()),
                4 => AttrValue::Double(f64::from_bits(reader.fixed64(key)?)),
                5 => {
                    let earlier = match value {
                        AttrValue::Array(earlier) => std::mem::take(earlier),
                        _ => Vec::new(),
                    };
                    AttrValue::Array(self.array(reader.message(key)?, earlier)?)
                }
                6 => {
                    self.key_value_list(reader.message(key)?)?;
                    *value = AttrValue::Map(Attributes::default());
                    continue;
                }
                7 => AttrValue::Bytes(reader.bytes(key)?.to_vec()),
                // An index into the profiling signal's string table: absent here.
                8 => {
                    reader.varint(key)?;
                    AttrValue::Null
                }
                _ => {
                    reader.skip(key)?;
                    continue;
                }
            };
            // One value replaces another, be it a map.
            self.entries.truncate(start);
            *value = sent;
        }
        Ok(())
    }

    /// The value once all of it is read.
    pub fn finish(&mut self, value: AttrValue, start: usize) -> AttrValue {
        match value {
            AttrValue::Map(_) => AttrValue::Map(self.take_attributes(start)),
            value => value,
        }
    }

    fn array(&mut self, mut reader: Reader, mut values: Vec<AttrValue>) -> Result<Vec<AttrValue>> {
        let start = self.entries.len();
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => {
                    let mut value = AttrValue::Null;
                    self.any_value(reader.message(key)?, &mut value, start)?;
                    values.push(self.finish(value, start));
                }
                _ => reader.skip(key)?,
            }
        }
        Ok(values)
    }

    fn key_value_list(&mut self, mut reader: Reader) -> Result<()> {
        while let Some(key) = reader.next_key()? {
            match key.field() {
                1 => self.key_value(reader.message(key)?)?,
                _ => reader.skip(key)?,
            }
        }
        Ok(())
    }
}

/// Text as the database can hold it.
pub(super) fn text(text: &str) -> String {
    clean(text.to_owned())
}
