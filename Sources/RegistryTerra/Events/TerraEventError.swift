/// Why a body cannot be read as an event of Terra's.
///
/// The description names the field and the rule, never a value. The body itself stays with the caller, to be kept and
/// replayed.
public struct TerraEventError: Error, Sendable, Hashable, CustomStringConvertible {
  /// What kind of thing is wrong.
  public struct Code: Sendable, Hashable, CustomStringConvertible {
    private enum Kind: String { case notJSON, missing, wrongType, tooLong, unusableText }
    private let kind: Kind

    /// The body is not one JSON document in UTF-8, or is nested too deeply.
    public static let notJSON = Code(kind: .notJSON)
    /// A field that this type of event needs is absent, null or empty.
    public static let missing = Code(kind: .missing)
    /// A field holds another kind of JSON value than it may.
    public static let wrongType = Code(kind: .wrongType)
    /// A text is longer than it may be.
    public static let tooLong = Code(kind: .tooLong)
    /// A text holds NUL or half a surrogate pair.
    public static let unusableText = Code(kind: .unusableText)

    /// The name of the code, short and bounded, fit for a metric.
    public var description: String { kind.rawValue }
  }

  /// What kind of thing is wrong.
  public let code: Code
  /// The path of the field, such as `user.reference_id`; nil when the body as a whole is wrong.
  public let field: String?
  private let sentence: String

  init(_ code: Code, field: String, problem: String) {
    self.code = code
    self.field = field
    sentence = "\(field) \(problem)"
  }

  init(_ code: Code, field: String, expected: String, found: String) {
    self.init(code, field: field, problem: "is \(found), but must be \(expected)")
  }

  init(_ error: JSONSyntaxError) {
    code = .notJSON
    field = nil
    sentence = "the body \(error.problem) (byte \(error.offset))"
  }

  /// A sentence that names the field and the rule, never a value.
  public var description: String { sentence }
}

extension TerraEventError.Code {
  /// Lets a code stand as a pattern: `catch TerraEventError.Code.missing`.
  public static func ~= (code: TerraEventError.Code, error: any Error) -> Bool {
    (error as? TerraEventError)?.code == code
  }
}
