import TransactionEngine

/// What on a server can undo two-phase commit or lose data, with what to do about it.
struct HazardList {
    /// What was read last; nil before the first time.
    let survey: HazardSurvey?
    let moment: Moment

    @HTMLBuilder var html: HTML {
        if let survey {
            if survey.hazards.isEmpty {
                Parts.empty("Nothing that undoes two-phase commit was found on this server.")
            } else {
                div(.class("stack tight")) {
                    for hazard in survey.hazards { hazard.notice { hazard.kind.inWords } }
                }
            }
            p(.class("source")) {
                "Read from the server "
                moment.relative(survey.at)
                ". \(grouped(survey.transactionIDsLeft)) transaction ids are left before it refuses to "
                "write"
                if let seconds = survey.secondsToWraparound, seconds < 1e9 {
                    ", \(TimeText.span(microseconds: Int64(seconds * 1_000_000))) at the pace of the "
                    "last hour if VACUUM freezes nothing meanwhile"
                }
                "."
            }
        } else {
            Parts.empty("Not read yet.")
        }
    }
}

extension HazardSurvey? {
    /// How urgent the most urgent of them is.
    var tone: Tone {
        self?.hazards.contains(where: \.kind.undoesCommits) == true ? .bad : .retry
    }
}

extension Hazard {
    /// A message about it, which begins with `title`.
    func notice(@HTMLBuilder title: () -> HTML) -> HTML {
        Parts.notice(kind.undoesCommits ? .bad : .retry) {
            p { strong { title() } }
            p {
                "Found: "
                code { cause }
                ". \(remedy)"
            }
        }
    }
}

extension Hazard.Kind {
    /// What is wrong, as a sentence about the server.
    var inWords: String {
        switch self {
        case .orphanTimeout: "It ends prepared transactions by their age."
        case .scheduledJob: "A scheduled job there ends prepared transactions."
        case .transactionPooler: "A pooler stands before it."
        case .fsyncOff: "Its commits are not durable."
        case .fullPageWritesOff: "Its pages are not protected from a crash."
        case .asynchronousStandby: "Its standbys are asynchronous."
        case .vacuumHeldUp: "A prepared transaction keeps VACUUM from its work."
        case .wraparound: "It is running out of transaction ids."
        case .roleExpires: "The password of tandem's role expires soon."
        }
    }
}
