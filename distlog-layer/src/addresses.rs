//! [`Addresses`]: where daemons are.

/// The session doors of one daemon or several, in order of preference: [`Builder::connect`](crate::Builder::connect).
///
/// ```
/// use distlog_layer::Addresses;
///
/// let one = Addresses::from("tcp://127.0.0.1:5011");
/// let several = Addresses::from(["tcp://a:5011", "tcp://b:5011"]);
/// assert_eq!(one.iter().count() + several.iter().count(), 3);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(Vec<String>);

impl Addresses {
    /// Each, the preferred one first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// That with the number, counted from 0.
    pub(crate) fn get(&self, number: usize) -> &str {
        self.0.get(number).map_or("", String::as_str)
    }
}

impl From<&str> for Addresses {
    fn from(address: &str) -> Addresses {
        Addresses(vec![address.into()])
    }
}

impl From<String> for Addresses {
    fn from(address: String) -> Addresses {
        Addresses(vec![address])
    }
}

impl From<&String> for Addresses {
    fn from(address: &String) -> Addresses {
        Addresses(vec![address.clone()])
    }
}

impl<T: Into<String>> From<Vec<T>> for Addresses {
    fn from(addresses: Vec<T>) -> Addresses {
        Addresses(addresses.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<String>, const N: usize> From<[T; N]> for Addresses {
    fn from(addresses: [T; N]) -> Addresses {
        Addresses(addresses.into_iter().map(Into::into).collect())
    }
}

impl<T: Clone + Into<String>> From<&[T]> for Addresses {
    fn from(addresses: &[T]) -> Addresses {
        Addresses(addresses.iter().cloned().map(Into::into).collect())
    }
}
