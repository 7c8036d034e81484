/// A setting that cannot be taken.
struct SettingError: Error, CustomStringConvertible {
  /// The environment variable.
  let key: String
  /// What it takes.
  let takes: String

  var description: String { "\(key) takes \(takes)." }
}
