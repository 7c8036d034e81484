import ArgumentParser
import Foundation

/// The lines of a file or of standard input, read as they are asked for.
///
/// A line without end cannot fill the memory: what is longer than a limit is cut off there, and so is told from one that
/// fits.
struct InputLines: AsyncSequence {
  private let handle: FileHandle
  private let maximumBytes: Int

  /// - Parameters:
  ///   - path: the file's path; nil or `-` for standard input.
  ///   - maximumBytes: how much of a line is kept.
  /// - Throws: `ValidationError` when the file cannot be opened.
  init(path: String?, maximumBytes: Int) throws {
    self.maximumBytes = maximumBytes
    guard let path, path != "-" else {
      handle = .standardInput
      return
    }
    guard let handle = FileHandle(forReadingAtPath: path) else {
      throw ValidationError("Cannot read \(path).")
    }
    self.handle = handle
  }

  func makeAsyncIterator() -> Iterator { Iterator(handle: handle, maximumBytes: maximumBytes) }

  struct Iterator: AsyncIteratorProtocol {
    private let handle: FileHandle
    private let maximumBytes: Int
    private var buffer: [UInt8] = []
    private var start = 0
    private var isAtEnd = false

    fileprivate init(handle: FileHandle, maximumBytes: Int) {
      self.handle = handle
      self.maximumBytes = maximumBytes
    }

    mutating func next() async throws -> String? {
      var line: [UInt8] = []
      while true {
        if let end = buffer[start...].firstIndex(of: UInt8(ascii: "\n")) {
          line += buffer[start..<end].prefix(maximumBytes - line.count)
          start = end + 1
          return String(decoding: line, as: UTF8.self)
        }
        line += buffer[start...].prefix(maximumBytes - line.count)
        let isRest = start < buffer.count
        guard !isAtEnd, let data = try handle.read(upToCount: 1 << 16), !data.isEmpty else {
          isAtEnd = true
          (buffer, start) = ([], 0)
          return line.isEmpty && !isRest ? nil : String(decoding: line, as: UTF8.self)
        }
        (buffer, start) = (Array(data), 0)
      }
    }
  }
}
