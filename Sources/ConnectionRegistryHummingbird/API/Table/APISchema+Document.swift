extension APISchema {
  /// The schema as JSON Schema 2020-12, as OpenAPI 3.1 takes it.
  ///
  /// - Parameter isStrict: Whether members that are not named are said to be refused: what is sent to the registry is
  ///   read strictly, what it answers may gain members in a later version.
  /// - Returns: The schema as the document shows it.
  func document(isStrict: Bool) -> JSONNode {
    var members = keywords(isStrict: isStrict)
    if let example { members["examples"] = .list([example]) }
    return .object(members)
  }

  /// The named schemas in it, itself included.
  var named: [(name: String, schema: APISchema)] {
    switch form {
    case .named(let name, let schema): [(name, schema)] + schema.named
    case .nullable(let schema), .list(let schema, _): schema.named
    case .map(_, let values, _): values.named
    case .object(let members): members.flatMap(\.schema.named)
    case .variants(let object, _): object.named
    default: []
    }
  }

  private func keywords(isStrict: Bool) -> [String: JSONNode] {
    switch form {
    case .text(let length, let format): return Self.text(length, format)
    case .choice(let values): return ["type": "string", "enum": .list(values.map(JSONNode.text))]
    case .integer(let range):
      var members: [String: JSONNode] = ["type": "integer", "format": "int64"]
      if range.lowerBound > .min { members["minimum"] = .integer(range.lowerBound) }
      if range.upperBound < .max { members["maximum"] = .integer(range.upperBound) }
      return members
    case .number: return ["type": "number"]
    case .boolean: return ["type": "boolean"]
    case .list(let element, let count):
      var members: [String: JSONNode] = ["type": "array", "items": element.document(isStrict: isStrict)]
      if count.lowerBound > 0 { members["minItems"] = .integer(Int64(count.lowerBound)) }
      if count.upperBound < .max { members["maxItems"] = .integer(Int64(count.upperBound)) }
      return members
    case .object(let known):
      var properties: [String: JSONNode] = [:]
      for member in known {
        guard case .object(var shape) = member.schema.document(isStrict: isStrict) else { continue }
        shape["description"] = .text(member.description)
        properties[member.name] = .object(shape)
      }
      var members: [String: JSONNode] = ["type": "object", "properties": .object(properties)]
      let required = known.filter(\.isRequired).map { JSONNode.text($0.name) }
      if !required.isEmpty { members["required"] = .list(required) }
      if isStrict { members["additionalProperties"] = false }
      return members
    case .map(let names, let values, let count):
      var members: [String: JSONNode] = [
        "type": "object", "additionalProperties": values.document(isStrict: isStrict),
        "propertyNames": names.document(isStrict: isStrict),
      ]
      if count.upperBound < .max { members["maxProperties"] = .integer(Int64(count.upperBound)) }
      return members
    case .nullable(let schema):
      let shape = schema.document(isStrict: isStrict)
      if case .object(var members) = shape, case .text(let type)? = members["type"], members["enum"] == nil {
        members["type"] = .list([.text(type), "null"])
        return members
      }
      return ["anyOf": .list([shape, ["type": "null"]])]
    case .constant(.null): return ["type": "null"]
    case .constant(let value): return ["const": value]
    case .variants(let object, let variants):
      return ["oneOf": .list(variants.map { $0.document(of: object, isStrict: isStrict) })]
    case .named(let name, let schema):
      return isStrict ? schema.keywords(isStrict: true) : ["$ref": .text("#/components/schemas/\(name)")]
    case .anything: return [:]
    }
  }

  private static func text(_ length: ClosedRange<Int>, _ format: TextFormat?) -> [String: JSONNode] {
    var members: [String: JSONNode] = ["type": "string"]
    switch format {
    case .uuid:
      members["format"] = "uuid"
      return members
    case .time:
      members["format"] = "date-time"
      return members
    case .url: members["format"] = "uri"
    case .headerText: members["pattern"] = "^[!-~]([ -~]*[!-~])?$"
    case .line: members["pattern"] = "^[^\\u0000-\\u001f\\u007f]*$"
    case .printable: members["pattern"] = "^[!-~]+$"
    case .hexadecimal: members["pattern"] = "^[0-9a-f]+$"
    case .tag: members["pattern"] = "^[a-z][a-z0-9_.-]{0,63}=[^\\u0000]{0,256}$"
    case .channel: members["pattern"] = "^[a-z0-9_-]+$"
    case .tagName: members["pattern"] = "^[a-z][a-z0-9_.-]*$"
    case .withoutComma: members["pattern"] = "^[^\\u0000,]*$"
    case .withoutNUL: members["pattern"] = length.upperBound < 65_536 ? "^[^\\u0000]*$" : nil
    case nil: break
    }
    if length.lowerBound > 0 { members["minLength"] = .integer(Int64(length.lowerBound)) }
    if length.upperBound < 65_536 { members["maxLength"] = .integer(Int64(length.upperBound)) }
    return members
  }
}

extension APISchema.Variant {
  /// The variant as an object of its own.
  fileprivate func document(of object: APISchema, isStrict: Bool) -> JSONNode {
    guard case .object(let members) = object.form,
      case .object(var shape) = APISchema.object(narrowed(members)).document(isStrict: isStrict)
    else { return object.document(isStrict: isStrict) }
    shape["title"] = .text(title)
    return .object(shape)
  }
}
