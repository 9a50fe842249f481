import AccessControl
import ArgumentParser
import CoordinatorAPI

/// The command `tandem token`.
struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Makes tokens for the access file.",
        subcommands: [TokenCreate.self])
}

/// The command `tandem token create`.
struct TokenCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create",
        abstract: "Makes a token, and prints it with the line for the access file.",
        discussion: """
            The first line is the token, for the caller; it is stored nowhere and shown never \
            again. The other lines go to the principal's entry in access.file, which holds only \
            the SHA-256 of the token. Replicas take the file as soon as it has changed. To \
            replace a token without a gap, add the new one, change the callers, and then remove \
            the old one.
            """)

    @Option(help: "The principal that the token stands for.") var principal: String

    @Option(
        help: ArgumentHelp(
            "Scopes of this token, with commas; without it those of its principal.",
            valueName: "scopes"))
    var scopes: TokenScopes?

    @Option(
        help: ArgumentHelp(
            "How long it is good for, such as 12h or 30d, at most 366d.", valueName: "duration"))
    var expiresIn = DurationArgument(.seconds(90 * 86_400))

    @Flag(help: "Print one line of JSON instead.") var json = false

    func validate() throws {
        guard NameRules.isParticipant(principal) else {
            throw ValidationError(
                "Expected as --principal \(Configuration.nameRule.dropFirst("expected ".count)).")
        }
        guard !Principal.reservedNames.contains(principal) else {
            throw ValidationError("The name \(principal) is taken; choose another one.")
        }
    }

    func run() async throws {
        var generator = SystemRandomNumberGenerator()
        let made = MadeToken(
            token: BearerToken(using: &generator), principal: principal,
            scopes: scopes?.scopes,
            expires: UTCTime(
                microseconds: (WallTime.microseconds() / 1_000_000
                    + expiresIn.duration.components.seconds) * 1_000_000)
        )
        print(json ? made.json : made.text)
    }
}

/// A token that was just made, and how it is shown.
struct MadeToken {
    let token: BearerToken
    let principal: String
    let scopes: [Scope]?
    let expires: UTCTime

    /// The token, and its lines for the access file.
    var text: String {
        """
        \(token.text)

        # In access.file, under tokens of the principal \(principal):
              - sha256: \(token.digest.hexadecimal)
                expires: \(expires.text)\(scopesLine)
        """
    }

    private var scopesLine: String {
        guard let scopes else { return "" }
        return "\n        scopes: [\(scopes.map(\.rawValue).joined(separator: ", "))]"
    }

    var json: String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("token", token.text)
            writer.member("principal", principal)
            writer.member("sha256", token.digest.hexadecimal)
            writer.member("expires", expires.text)
            if let scopes {
                writer.name("scopes")
                writer.array(scopes.map(\.rawValue)) { $1.string($0) }
            }
        }
        return writer.text
    }
}

/// Scopes as an argument.
struct TokenScopes: ExpressibleByArgument {
    let scopes: [Scope]

    init?(argument: String) {
        let names = argument.split(separator: ",").map(String.init)
        scopes = names.compactMap(Scope.init)
        guard !scopes.isEmpty, scopes.count == names.count else { return nil }
    }
}
