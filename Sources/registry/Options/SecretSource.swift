import ArgumentParser
import Foundation

/// Where a secret comes from: never from an argument, which every account of the machine can read.
struct SecretSource {
  /// The longest secret that is taken from a file.
  private static let maximumBytes = 64 * 1024

  /// The option that names the file, for messages.
  let option: String
  /// The environment variable that is taken without a file.
  let variable: String

  /// Reads the secret where a file or the variable gives one.
  ///
  /// - Parameters:
  ///   - file: A file's path, or `-` for standard input; nil takes the variable.
  ///   - environment: Where the variable is looked up.
  /// - Returns: The secret without the line's end; nil where neither is given.
  /// - Throws: `ValidationError` for a file that cannot be read or is empty.
  func readIfGiven(
    file: String?, environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> String? {
    guard let file else { return environment[variable].flatMap { $0.isEmpty ? nil : $0 } }
    guard
      let handle = file == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: file),
      let data = try? handle.read(upToCount: Self.maximumBytes + 1), data.count <= Self.maximumBytes,
      let text = String(validating: data, as: UTF8.self)
    else {
      throw ValidationError("\(option): cannot read a secret from \(file).")
    }
    let secret = text.trimmingCharacters(in: .newlines)
    guard !secret.isEmpty else { throw ValidationError("\(option): \(file) is empty.") }
    return secret
  }

  /// Reads the secret.
  ///
  /// - Parameters:
  ///   - file: A file's path, or `-` for standard input; nil takes the variable.
  ///   - environment: Where the variable is looked up.
  /// - Returns: The secret without the line's end.
  /// - Throws: `ValidationError` that names the option and the variable when there is none, or it is empty.
  func read(
    file: String?, environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> String {
    guard let secret = try readIfGiven(file: file, environment: environment) else {
      throw ValidationError("Give \(option) FILE (- reads standard input), or set \(variable).")
    }
    return secret
  }
}
