extension APISchema {
  /// One way in which the members of an object go together.
  ///
  /// What no rule names may be given or left out as the object itself says. The document shows each variant as an object
  /// of its own, so variants must exclude each other.
  struct Variant: Sendable {
    /// What a variant says of one member.
    enum Rule: Sendable {
      /// It is given, and is not null.
      case given
      /// It is given, and is of this shape.
      case exactly(APISchema)
      /// Where it is given and not null, it is of this shape.
      case limited(APISchema)
      /// It is null or left out.
      case absent
    }

    /// What such an object is, with its article: `a widget session`.
    var title: String
    /// The rules that tell this variant from the others, by member.
    var toldBy: [String: Rule]
    /// What else holds in it, by member.
    var rules: [String: Rule]

    /// What does not fit, and how far that is from what the variant is: a rule that tells it from others counts more
    /// than all others together.
    ///
    /// - Parameter members: an object that fits the object's own schema.
    /// - Returns: the distance, 0 where everything fits, and the first of the faults by name.
    func distance(of members: [String: JSONNode]) -> (Int, Fault?) {
      func faults(_ rules: [String: Rule]) -> [Fault] {
        rules.sorted { $0.key < $1.key }.compactMap { fault($0.value, $0.key, members[$0.key] ?? .null) }
      }
      let (telling, others) = (faults(toldBy), faults(rules))
      return (telling.count * Self.tellingWeight + others.count, (telling + others).first)
    }

    /// More than the rules of any object.
    private static let tellingWeight = 1_000

    private func fault(_ rule: Rule, _ name: String, _ value: JSONNode) -> Fault? {
      let schema: APISchema
      switch (rule, value) {
      case (.given, .null), (.exactly, .null):
        return Fault(path: name, sentence: "The field is required in \(title).")
      case (.given, _), (.absent, .null), (.limited, .null): return nil
      case (.absent, _): return Fault(path: name, sentence: "Leave the field out in \(title).")
      case (.exactly(let shape), _), (.limited(let shape), _): schema = shape
      }
      do {
        try schema.check(value)
        return nil
      } catch {
        return Fault(path: name, sentence: "In \(title): \(error.sentence)")
      }
    }

    /// What the rules say, as a clause for a person.
    var inWords: String {
      let rules = rules.merging(toldBy) { _, telling in telling }.sorted { $0.key < $1.key }
      let given = rules.compactMap { name, rule in
        switch rule {
        case .given: "`\(name)`"
        case .exactly(let schema): "`\(name)` (\(schema.inWords))"
        default: nil
        }
      }
      let absent = rules.compactMap { name, rule in
        if case .absent = rule { "`\(name)`" } else { nil }
      }
      return title + (given.isEmpty ? "" : " has \(given.joined(separator: ", "))")
        + (absent.isEmpty ? "" : given.isEmpty ? " has" : ",")
        + (absent.isEmpty ? "" : " no \(absent.joined(separator: ", "))")
    }

    /// The object's members as they are in this variant.
    ///
    /// - Parameter members: the object's own.
    /// - Returns: the same with what the rules say of them.
    func narrowed(_ members: [Member]) -> [Member] {
      let rules = rules.merging(toldBy) { _, telling in telling }
      return members.map { member in
        var member = member
        switch rules[member.name] {
        case .given:
          member.isRequired = true
          if case .nullable(let schema) = member.schema.form { member.schema = schema }
        case .exactly(let schema):
          member.isRequired = true
          member.schema = schema
        case .limited(let schema): member.schema = .nullable(schema)
        case .absent: member.schema = .nothing
        case nil: break
        }
        return member
      }
    }
  }

  /// Holds an object against the variants: where none fits, the nearest says what is wrong.
  static func check(_ members: [String: JSONNode], against variants: [Variant]) throws(Fault) {
    var nearest: (distance: Int, fault: Fault?)?
    for variant in variants {
      let found = variant.distance(of: members)
      if found.0 < nearest?.distance ?? .max { nearest = found }
    }
    if let fault = nearest?.fault { throw fault }
  }
}
