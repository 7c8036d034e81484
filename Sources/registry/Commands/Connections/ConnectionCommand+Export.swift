import ArgumentParser
import ConnectionRegistry

extension ConnectionCommand {
  /// Writes out all connections.
  struct Export: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
      abstract: "Write out all connections, oldest first, as they are at one moment.",
      discussion: """
        Without --status those that were ever connected. The moment is that at which the reading begins: nothing of what \
        is committed later is in it. It takes the same memory however many there are. Do not migrate meanwhile: a migration \
        waits for its end, and everybody else behind the migration.

        The exit code is 0 only where everything was written: 2 where the reader has gone or the file cannot be written, \
        69 where the database went away. A file appears under its name when it is whole, readable by its owner only.
        """)

    /// How connections are written.
    enum Format: String, ExpressibleByArgument, CaseIterable {
      case ndjson, json, csv

      var output: OutputFormat {
        switch self {
        case .ndjson: .ndjson
        case .json: .json
        case .csv: .csv
        }
      }
    }

    @OptionGroup var filter: ConnectionFilterOptions

    @Option(help: "How to write.")
    var format: Format = .ndjson

    @Option(help: ArgumentHelp("The file to write; without it, or with -, standard output.", valueName: "file"))
    var output: String?

    @OptionGroup var tenant: TenantOption
    @OptionGroup var database: DatabaseOptions

    static let columns =
      [
        "user_id", "resource", "reference_id", "status", "scopes", "superseded_by", "needs_reauth", "last_data_at",
        "created_at", "recorded_at", "tags",
      ].map { Column($0) }

    func run() async throws {
      guard let path = output, path != "-" else {
        _ = try await write(to: StandardOutput())
        return
      }
      let file = try FileOutput(path: path)
      // A draft of what is personal is not left behind by Ctrl-C. A pipe has none, and may never be read on.
      let count =
        file.isDrafted
        ? try await Interruption.cancelling { try await write(whole: file) } : try await write(whole: file)
      Progress.say("\(count) connections in \(path).")
    }

    /// - Returns: How many were written; the file has its name then.
    private func write(whole file: FileOutput) async throws -> Int {
      let count: Int
      do {
        count = try await write(to: file)
      } catch {
        file.discard()
        throw error
      }
      try file.finish()
      return count
    }

    /// - Returns: How many were written.
    private func write(to output: any TextOutput) async throws -> Int {
      do {
        return try await RegistryAccess.withRegistry(database) { registry in
          try await registry.connections.withAll(tenant: tenant.tenant, filter: filter.filter) { connections in
            var printer = ListPrinter(output, format.output, columns: Self.columns)
            return try await printer.print(each: connections)
          }
        }
      } catch let error as OutputError {
        throw CommandError("What was written is not whole: \(error).")
      } catch  where Task.isCancelled {
        throw CommandError("What was written is not whole: it was broken off.")
      }
    }
  }
}
