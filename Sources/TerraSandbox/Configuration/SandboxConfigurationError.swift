/// A setting of the sandbox that cannot work. The description names the setting and says what it takes.
public struct SandboxConfigurationError: Error, Hashable, CustomStringConvertible {
  /// The setting, spelt as in ``SandboxConfiguration``.
  public let setting: String
  /// What is wrong and what would be right.
  public let reason: String

  /// Creates an error.
  ///
  /// - Parameters:
  ///   - setting: the setting's name.
  ///   - reason: what is wrong and what would be right, a sentence without a full stop.
  public init(setting: String, reason: String) {
    self.setting = setting
    self.reason = reason
  }

  /// Setting and reason in one line.
  public var description: String { "\(self.setting): \(self.reason)" }
}
