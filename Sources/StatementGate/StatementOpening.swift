/// The first words of a statement, which decide what kind of statement it is.
struct StatementOpening {
    /// Enough for `CREATE OR REPLACE FUNCTION`.
    private static let wordsMax = 4

    /// The words up to the first token that is none, in capitals.
    private(set) var words: [String] = []

    /// Whether it is `CREATE [OR REPLACE] FUNCTION` or `PROCEDURE`, whose body has semicolons and
    /// placeholders of its own.
    private(set) var createsRoutine = false

    /// Adds a word; the answer is whether more are wanted.
    mutating func append(_ word: String) -> Bool {
        words.append(word)
        if words.first == "CREATE" {
            let rest =
                words.starts(with: ["CREATE", "OR", "REPLACE"]) ? words.dropFirst(2) : words[...]
            createsRoutine =
                rest.dropFirst().first.map { $0 == "FUNCTION" || $0 == "PROCEDURE" } ?? false
        }
        return words.count < Self.wordsMax
    }

    /// Whether a statement that begins so can answer with rows.
    var returnsRows: Bool {
        switch words.first {
        case "SELECT", "VALUES", "TABLE", "WITH", "SHOW", "EXPLAIN", "FETCH", "CALL": true
        default: false
        }
    }

    /// Why a statement that begins so is refused; `nil` if it is not.
    var refusal: StatementRefusal? {
        guard let first = words.first else { return nil }
        switch first {
        case "BEGIN", "START", "COMMIT", "END", "ROLLBACK", "ABORT", "SAVEPOINT", "RELEASE":
            return transactionControl(first)
        case "PREPARE":
            return words.dropFirst().first == "TRANSACTION"
                ? transactionControl("PREPARE TRANSACTION") : sessionState(first)
        case "EXECUTE", "DEALLOCATE", "DISCARD", "LISTEN", "UNLISTEN":
            // What a session hears is heard by nobody here, whatever becomes of its branches.
            return sessionState(first)
        case "SET", "RESET":
            return settingRefusal
        default:
            return nil
        }
    }

    /// `SET` is refused where it changes the transaction itself, who may finish it, or the encoding of
    /// values.
    ///
    /// A prepared transaction can be finished only by the user who prepared it: a role is reset
    /// before PREPARE, a session authorization would not be.
    private var settingRefusal: StatementRefusal? {
        var target = words.dropFirst()
        if words.first == "SET", ["SESSION", "LOCAL"].contains(target.first), target.count > 1 {
            let isAuthorization = Array(target.prefix(2)) == ["SESSION", "AUTHORIZATION"]
            if !isAuthorization { target = target.dropFirst() }
        }
        switch target.first {
        case "TRANSACTION", "CHARACTERISTICS", "TRANSACTION_ISOLATION", "TRANSACTION_READ_ONLY",
            "TRANSACTION_DEFERRABLE":
            return StatementRefusal(
                .transactionControl,
                "The statements of a branch must not set the characteristics of its transaction; "
                    + "use the member `isolation` of the request.")
        case "SESSION" where target.dropFirst().first == "AUTHORIZATION", "SESSION_AUTHORIZATION":
            return sessionState("\(words.first ?? "SET") SESSION AUTHORIZATION")
        case "NAMES" where words.first == "SET", "CLIENT_ENCODING" where words.first == "SET":
            return StatementRefusal(
                .sessionState,
                "Values are sent and read as UTF-8, so a statement that changes the client's "
                    + "encoding is refused.")
        default:
            return nil
        }
    }

    private func transactionControl(_ verb: String) -> StatementRefusal {
        StatementRefusal(
            .transactionControl,
            "The coordinator alone begins and ends the transaction of a branch, so \(verb) is "
                + "refused.")
    }

    private func sessionState(_ verb: String) -> StatementRefusal {
        StatementRefusal(
            .sessionState,
            "\(verb) concerns the session, which is the coordinator's own, so it is refused.")
    }
}
