/// The first words of a statement, which decide what kind of statement it is.
struct StatementOpening {
    /// Enough for `CREATE OR REPLACE FUNCTION`.
    private static let wordsMax = 4

    /// The words up to the first token that is no word, in capitals.
    private(set) var words: [String] = []

    /// Whether it is `CREATE [OR REPLACE] FUNCTION` or `PROCEDURE`, whose body has its own semicolons and
    /// placeholders.
    private(set) var createsRoutine = false

    /// Adds a word, and returns whether the next word belongs to the opening as well.
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

    /// Whether a statement that begins so can return rows.
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
            // Nothing here reads the notifications of a session, so LISTEN has no use.
            return sessionState(first)
        case "SET", "RESET":
            return settingRefusal
        default:
            return nil
        }
    }

    /// Refuses `SET` and `RESET` of the transaction's characteristics, of the session's user, and of the
    /// encoding of values.
    ///
    /// Only the user who prepared a transaction can finish it: the coordinator resets a role before PREPARE,
    /// and does not reset a session authorization.
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
                "A statement must not set the characteristics of the transaction; use the member "
                    + "`isolation` of the request.")
        case "SESSION" where target.dropFirst().first == "AUTHORIZATION", "SESSION_AUTHORIZATION":
            return sessionState("\(words.first ?? "SET") SESSION AUTHORIZATION")
        case "NAMES" where words.first == "SET", "CLIENT_ENCODING" where words.first == "SET":
            return StatementRefusal(
                .sessionState,
                "A statement must not change the client encoding: tandem sends and reads values as "
                    + "UTF-8.")
        default:
            return nil
        }
    }

    private func transactionControl(_ verb: String) -> StatementRefusal {
        StatementRefusal(
            .transactionControl,
            "A statement must not be \(verb): the coordinator alone begins and ends the "
                + "transaction of a branch.")
    }

    private func sessionState(_ verb: String) -> StatementRefusal {
        StatementRefusal(
            .sessionState,
            "A statement must not be \(verb): it changes the session, which later transactions use."
        )
    }
}
