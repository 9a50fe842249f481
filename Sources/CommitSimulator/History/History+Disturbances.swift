/// The choice of the next disturbance.
extension History {
    /// Chooses whether a status request starts or continues now.
    func question() -> Disturbance? {
        guard recorder.statusRandom.percent(40) else { return nil }
        if state.observer != nil { return .continueReading }
        let number = recorder.statusRandom.below(state.incarnations.count + 1)
        return .readStatus(
            incarnation: number < state.incarnations.count ? state.incarnations[number].number : nil
        )
    }

    mutating func disturbance() -> Disturbance {
        let branch = recorder.random.below(state.world.sites.count)
        var incarnation = 0
        if !state.incarnations.isEmpty {
            incarnation = state.incarnations[recorder.random.below(state.incarnations.count)].number
        }
        switch recorder.random.below(20) {
        case 0, 1: return .crash(incarnation: incarnation)
        case 2: return .rollbackRequest(incarnation: incarnation)
        case 3: return .deadlineElsewhere
        case 4:
            guard recorder.random.percent(40) else {
                return .failOver(losesRow: recorder.random.percent(40))
            }
            return .endByHand(branch: branch, commits: recorder.random.percent(50))
        case 5: return recorder.random.percent(30) ? .restore(branch: branch) : .removeJournalRow
        case 6, 7, 8: return .runLostSession(branch: branch)
        case 9:
            // A session whose client still waits does not end by itself.
            let isReplyReceived =
                state.world.sites[branch].session == .holds && state.index(of: 0) != nil
            return isReplyReceived ? .scanLists : .endSession(branch: branch)
        case 10, 11:
            let votes = state.index(of: incarnation).map { state.incarnations[$0].votes.count } ?? 0
            guard votes > 0 else { return .removeJournalRow }
            return .echo(incarnation: incarnation, vote: recorder.random.below(votes))
        case 12, 13: return .scanLists
        case 14, 15: return .scanActs
        case 16: return .failOver(losesRow: recorder.random.percent(20))
        default: return state.incarnations.count < 3 ? .takeOver : .scanActs
        }
    }
}
