public struct NamedStatement: Sendable { public var name: String }
