//! What an encoding must be able to write.

/// Takes a dictionary piece by piece.
pub(crate) trait Sink {
    /// Opens a map; entries follow, each a name and a value.
    fn begin_map(&mut self);
    /// Closes it.
    fn end_map(&mut self);
    /// Opens a list; values follow.
    fn begin_list(&mut self);
    /// Closes it.
    fn end_list(&mut self);
    /// The name of an entry: any text.
    fn key(&mut self, name: &str);
    /// The name of an entry that needs no escapes.
    fn name(&mut self, name: &'static str);
    /// Nothing.
    fn null(&mut self);
    /// True or false.
    fn bool(&mut self, value: bool);
    /// An integer.
    fn i64(&mut self, value: i64);
    /// An integer.
    fn u64(&mut self, value: u64);
    /// A floating-point number, which must stay one.
    fn f64(&mut self, value: f64);
    /// A floating-point number without a fraction.
    fn whole(&mut self, value: u64);
    /// A number of microseconds, as seconds.
    fn seconds(&mut self, micros: u64);
    /// A string.
    fn str(&mut self, value: &str);
    /// Begins a string; pieces follow.
    fn begin_str(&mut self);
    /// A piece of it.
    fn piece(&mut self, piece: &str);
    /// Ends it.
    fn end_str(&mut self);
    /// Bytes.
    fn bytes(&mut self, value: &[u8]);
}
