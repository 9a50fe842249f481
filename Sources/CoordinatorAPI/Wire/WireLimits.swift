/// How much one request may ask for; beyond it, an answer names the limit.
///
/// Lengths count characters (Unicode scalars), as `maxLength` of the contract does. The bytes of
/// a whole body are bounded before it is read at all.
public struct WireLimits: Hashable, Sendable {
    /// Branches of one transaction.
    public var branchesMax = 16
    /// Statements of one branch.
    public var statementsPerBranchMax = 100
    /// Parameters of one statement; PostgreSQL's protocol ends at 65535.
    public var parametersPerStatementMax = 65535
    /// Characters of one statement.
    public var sqlCharactersMax = 262_144
    /// Labels of one transaction.
    public var labelsMax = 16
    /// Characters of the value of a label; its name has at most 63.
    public var labelValueCharactersMax = 256
    /// The longest time to the decision that may be asked for, in milliseconds.
    public var timeoutMillisecondsMax = 60_000
    /// How deep the body may nest.
    public var depthMax = 64

    /// Makes the limits that the contract documents.
    public init() {}
}
