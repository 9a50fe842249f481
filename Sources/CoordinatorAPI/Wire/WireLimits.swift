/// How much one request may ask for; an answer to more names the limit.
///
/// Lengths count characters (Unicode scalars), as `maxLength` of the contract does. The HTTP server
/// bounds the bytes of a whole body before it is read.
package struct WireLimits: Hashable, Sendable {
    /// Branches of one transaction.
    package var branchesMax = 16
    /// Statements of one branch.
    package var statementsPerBranchMax = 100
    /// Parameters of one statement; PostgreSQL's protocol ends at 65535.
    var parametersPerStatementMax = 65535
    /// Characters of one statement.
    var sqlCharactersMax = 262_144
    /// Labels of one transaction.
    var labelsMax = 16
    /// Characters of the value of a label; its name has at most 63.
    var labelValueCharactersMax = 256
    /// The longest time to the decision that may be asked for, in milliseconds.
    package var timeoutMillisecondsMax = 60_000
    /// How often a transaction may run again.
    package static let retriesMax = 100
    /// How deep the body may nest.
    var depthMax = 64

    /// Makes the limits that the contract documents.
    package init() {}
}
