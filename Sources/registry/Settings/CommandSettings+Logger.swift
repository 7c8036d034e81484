import Logging

extension CommandSettings {
  /// A logger that writes to standard error in the format of the settings.
  ///
  /// - Parameters:
  ///   - label: Who logs.
  ///   - level: The level unless `REGISTRY_LOG_LEVEL` names one.
  /// - Returns: The logger.
  func logger(label: String, level: Logger.Level) -> Logger {
    Logger(label: label, factory: { CommandLogHandler(label: $0, format: logFormat, level: logLevel ?? level) })
  }
}
