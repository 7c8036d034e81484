import Foundation
import Subprocess

#if canImport(System)
  import System
#else
  import SystemPackage
#endif

/// Runs one of PostgreSQL's programs as the account of the server, or as the current one.
struct ServerTool: Sendable {
  /// What a program said and how it ended.
  struct Outcome: Sendable {
    let succeeded: Bool
    let output: String
  }

  var environment: [String: String]

  /// Keeps of an environment what programs of PostgreSQL's need.
  ///
  /// `PG*` variables of the caller would lead them to another cluster, and messages in the reader's language could not
  /// be told apart here.
  init(inheriting environment: [String: String]) {
    let kept = ["PATH", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "ASAN_OPTIONS", "TSAN_OPTIONS"]
    self.environment = environment.filter { kept.contains($0.key) }.merging(["LC_ALL": "C", "HOME": "/"]) { $1 }
  }

  /// Runs a program to its end, also when the task is cancelled: an interrupted `pg_ctl` leaves a server behind that
  /// nobody has heard of.
  ///
  /// - Parameters:
  ///   - path: The absolute path of the program.
  ///   - arguments: Its arguments.
  ///   - input: What it finds on its standard input, and need not read.
  ///   - account: The account to run as; `nil` or the current one changes nothing.
  /// - Returns: What it said and how it ended.
  /// - Throws: `toolFailed` when it cannot be run at all.
  func run(
    _ path: String, _ arguments: [String], input: String = "", as account: ServerAccount? = nil
  ) async throws -> Outcome {
    var path = path
    var arguments = arguments
    var options = PlatformOptions()
    if let account, account.userID != geteuid() {
      if let setpriv = Self.setpriv {
        arguments =
          [
            "--reuid=\(account.userID)", "--regid=\(account.groupID)", "--clear-groups", "--no-new-privs", "--", path,
          ] + arguments
        path = setpriv
      } else {
        options.userID = account.userID
        options.groupID = account.groupID
        options.supplementaryGroups = [account.groupID]
      }
    }
    let (program, words, platformOptions) = (path, arguments, options)
    let variables = Dictionary(
      uniqueKeysWithValues: environment.compactMap { key, value in
        Environment.Key(rawValue: key).map { ($0, value) }
      })
    return try await Task {
      let standardInput: FileDescriptor
      do {
        standardInput = try ToolInput.file(holding: input)
      } catch {
        throw EmbeddedPostgresError(
          .toolFailed,
          "What \(program) shall read cannot be put into a file in \(FileManager.default.temporaryDirectory.path): "
            + "\(error)")
      }
      defer { try? standardInput.close() }
      do {
        let result = try await Subprocess.run(
          .path(FilePath(program)), arguments: Arguments(words), environment: .custom(variables),
          // The current directory may be one that the account cannot enter.
          workingDirectory: "/", platformOptions: platformOptions,
          input: .fileDescriptor(standardInput, closeAfterSpawningProcess: false),
          output: .string(limit: 1 << 20), error: .combinedWithOutput)
        return Outcome(
          succeeded: result.terminationStatus.isSuccess,
          output: result.standardOutput.trimmingCharacters(in: .whitespacesAndNewlines))
      } catch {
        throw EmbeddedPostgresError(.toolFailed, "\(program) cannot be run: \(error)")
      }
    }.value
  }

  private static let setpriv = ["/usr/bin/setpriv", "/bin/setpriv"].first {
    FileManager.default.isExecutableFile(atPath: $0)
  }
}
