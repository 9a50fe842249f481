import ArgumentParser
import CoordinatorAPI
import UnixSignals

/// The command `tandem top`.
struct Top: ServerCommand {
    static let configuration = CommandConfiguration(
        abstract:
            "Shows queues, replicas, participants and the oldest unfinished transactions, live.",
        discussion: """
            It asks one replica again and again. Keys: q quits, p pauses, r retries the selected \
            transaction at once, the arrows select. The first line says how old the picture is, and \
            why there is no newer one if the replica does not answer. Without a terminal, or with \
            --once, it prints one picture. \(CommandStatus.help)
            """)

    @Flag(help: "Print one picture and exit.") var once = false
    @Option(help: ArgumentHelp("How often to ask.", valueName: "time"))
    var interval = DurationArgument(.seconds(1))
    @OptionGroup var server: ServerOptions

    func run(with client: APIClient) async throws {
        let first = try await Self.read(client)
        var model = TopModel(address: "\(client.address)", first)
        guard !once, Terminal.output.isInteractive, Terminal.input.isInteractive,
            let screen = TopScreen()
        else {
            return Terminal.output.print(model.lines(on: .output).joined(separator: "\n"))
        }
        defer { screen.restore() }
        await follow(&model, on: screen, try server.client(showsProgress: false))
    }

    private enum Event: Sendable {
        case key(TopModel.Key)
        case read(TopModel.Reading)
        case failed(String)
        case said(String)
        case due
        case resized
        /// The picture is a second older.
        case second
        case stopped
    }

    /// Shows the model and changes it by events, until it is to end.
    private func follow(
        _ model: inout TopModel, on screen: TopScreen, _ client: APIClient
    ) async {
        let (events, continuation) = AsyncStream.makeStream(of: Event.self)
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup, .sigwinch)
        let sources = [
            Task {
                for await signal in signals {
                    continuation.yield(signal == .sigwinch ? .resized : .stopped)
                }
            },
            Task {
                for await key in TopScreen.keys() { continuation.yield(.key(key)) }
                continuation.yield(.stopped)
            },
            Task {
                while true {
                    try await Task.sleep(for: .seconds(1))
                    continuation.yield(.second)
                }
            },
        ]
        defer { for source in sources { source.cancel() } }
        continuation.yield(.due)
        for await event in events {
            switch event {
            case .stopped: return
            case .resized, .second: break
            case .due: fetch(client, continuation)
            case .read(let reading):
                model.take(reading)
                wait(continuation)
            case .failed(let reason):
                model.fail(reason)
                wait(continuation)
            case .said(let text): model.say(text)
            case .key(let key):
                switch model.press(key) {
                case .quit: return
                case .retry(let id): retry(id, client, continuation)
                case nil: break
                }
            }
            let output = Screen.output
            screen.show(model.lines(on: output, rows: Terminal.output.size.rows))
        }
    }

    private func wait(_ events: AsyncStream<Event>.Continuation) {
        let interval = interval.duration
        Task {
            try await Task.sleep(for: interval)
            events.yield(.due)
        }
    }

    private func fetch(_ client: APIClient, _ events: AsyncStream<Event>.Continuation) {
        Task {
            do throws(CommandFailure) {
                events.yield(.read(try await Self.read(client)))
            } catch {
                events.yield(.failed(error.firstSentence))
            }
        }
    }

    private func retry(
        _ id: String, _ client: APIClient, _ events: AsyncStream<Event>.Continuation
    ) {
        Task {
            do throws(CommandFailure) {
                _ = try await client.send(.post("/v1/transactions/\(id)/retry"))
                events.yield(.said("\(id) is being tried"))
            } catch {
                events.yield(.said(error.firstSentence))
            }
        }
    }

    private static let unfinished = [
        "active", "preparing", "committing", "aborting", "needsOperator",
    ]

    private static func read(_ client: APIClient) async throws(CommandFailure) -> TopModel.Reading {
        let overview = try await client.send(.init("/v1/overview")).json()
        let query =
            unfinished.map { (name: "state", value: $0) } + [
                (name: "order", value: "oldest"), (name: "limit", value: "100"),
            ]
        let page = try await client.send(.init("/v1/transactions", query: query)).json()
        return TopModel.Reading(
            overview: overview, transactions: page["transactions"]?.elements ?? [])
    }
}

extension CommandFailure {
    /// What fits one line.
    fileprivate var firstSentence: String {
        String(description.prefix { !$0.isNewline })
    }
}
