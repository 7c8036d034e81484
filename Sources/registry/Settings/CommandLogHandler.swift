import Foundation
import Logging

/// How log lines look.
enum LogFormat: String, Sendable {
  case text
  case json
}

/// Writes log lines to standard error, as text or as JSON.
struct CommandLogHandler: LogHandler {
  var logLevel: Logger.Level
  var metadata: Logger.Metadata = [:]
  var metadataProvider: Logger.MetadataProvider?
  private let label: String
  private let format: LogFormat

  init(label: String, format: LogFormat, level: Logger.Level) {
    self.label = label
    self.format = format
    logLevel = level
  }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    var fields = metadataProvider?.get() ?? [:]
    fields.merge(metadata) { _, new in new }
    fields.merge(event.metadata ?? [:]) { _, new in new }
    let time = Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    let line =
      switch format {
      case .text: text(event, fields, time)
      case .json: json(event, fields, time)
      }
    StandardError.write(line + "\n")
  }

  private func text(_ event: LogEvent, _ fields: Logger.Metadata, _ time: String) -> String {
    let pairs = fields.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
    return StandardOutput.printable("\(time) \(event.level.rawValue) \(label): \(event.message)\(pairs)")
  }

  private func json(_ event: LogEvent, _ fields: Logger.Metadata, _ time: String) -> String {
    var members = fields.mapValues { JSONValue.string("\($0)") }
    members["time"] = .string(time)
    members["level"] = .string(event.level.rawValue)
    members["logger"] = .string(label)
    members["message"] = .string("\(event.message)")
    return JSONValue.object(members).compact
  }
}
