import ArgumentParser
import Foundation

/// Where a secret comes from: never from an argument, which every account of the machine can read.
enum SecretSource {
  /// The longest secret that is taken from a file.
  private static let maximumBytes = 64 * 1024

  /// Reads a secret.
  ///
  /// - Parameters:
  ///   - file: A file's path, or `-` for standard input; nil takes the variable.
  ///   - option: The option's name, for the message.
  ///   - variable: The environment variable to take without a file.
  ///   - environment: Where the variable is looked up.
  /// - Returns: The secret without the line's end.
  /// - Throws: `ValidationError` that names the option and the variable when there is none, or it is empty.
  static func read(
    file: String?, option: String, variable: String,
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> String {
    guard let file else {
      guard let value = environment[variable], !value.isEmpty else {
        throw ValidationError("Give \(option) FILE (- reads standard input), or set \(variable).")
      }
      return value
    }
    guard
      let handle = file == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: file),
      let data = try? handle.read(upToCount: maximumBytes + 1), data.count <= maximumBytes,
      let text = String(validating: data, as: UTF8.self)
    else {
      throw ValidationError("\(option): cannot read a secret from \(file).")
    }
    let secret = text.trimmingCharacters(in: .newlines)
    guard !secret.isEmpty else { throw ValidationError("\(option): \(file) is empty.") }
    return secret
  }
}
