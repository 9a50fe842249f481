import ArgumentParser
import Foundation

/// A command that asks a replica.
protocol ServerCommand: AsyncParsableCommand {
    var server: ServerOptions { get }
    func run(with client: APIClient) async throws
}

extension ServerCommand {
    func run() async throws {
        try await reportingFailures { try await run(with: server.client()) }
    }
}

/// The options that say which replica to ask.
struct ServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "The replica's address; any replica answers for all.",
            discussion: """
                Without it: the profile that --profile names, TANDEM_URL, the file's \
                defaultProfile, \(ServerAddress.local).
                """))
    var url: String?

    @Option(
        help: ArgumentHelp(
            "A profile of ~/.config/tandem/profiles.yaml, with address and token.",
            valueName: "name"))
    var profile: String?

    @Option(
        help: ArgumentHelp(
            "How long to wait for an answer, such as 500ms, 30s or 2m.", valueName: "time"))
    var requestTimeout = DurationArgument(.seconds(30))

    func validate() throws {
        if url != nil, profile != nil {
            throw ValidationError("Expected either --url or --profile, got both.")
        }
        if let url, ServerAddress(url) == nil {
            throw ValidationError(ServerAddress.expectation(butGot: url))
        }
    }

    func client(showsProgress: Bool = true) throws(CommandFailure) -> APIClient {
        APIClient(
            try Profile.choose(url: url, named: profile), patience: requestTimeout.duration,
            showsProgress: showsProgress)
    }
}

/// A time on the command line, such as `90s`, `500ms`, `5m`, `2h` or `1d`; a bare number is seconds.
struct DurationArgument: ExpressibleByArgument, Equatable {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(argument: String) {
        let number = argument.prefix { $0.isASCII && $0.isNumber }
        let units = ["ms": 1, "s": 1000, "": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000]
        guard let value = Int(number), let unit = units[String(argument.dropFirst(number.count))],
            case let (milliseconds, isTooLong) = value.multipliedReportingOverflow(by: unit),
            !isTooLong, milliseconds > 0, milliseconds <= 366 * 86_400_000
        else { return nil }
        duration = .milliseconds(milliseconds)
    }

    var defaultValueDescription: String { duration.written }
}
