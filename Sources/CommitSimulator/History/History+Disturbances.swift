/// Which disturbance comes next.
extension History {
    /// Whether somebody asks for the status now, and where; who has begun to look goes on.
    func question() -> Disturbance? {
        guard narrator.curiosity.percent(40) else { return nil }
        if state.observer != nil { return .lookOn }
        let number = narrator.curiosity.below(state.incarnations.count + 1)
        return .ask(
            incarnation: number < state.incarnations.count ? state.incarnations[number].number : nil
        )
    }

    mutating func disturbance() -> Disturbance {
        let branch = narrator.random.below(state.world.sites.count)
        var incarnation = 0
        if !state.incarnations.isEmpty {
            incarnation = state.incarnations[narrator.random.below(state.incarnations.count)].number
        }
        switch narrator.random.below(20) {
        case 0, 1: return .crash(incarnation: incarnation)
        case 2: return .rollbackRequest(incarnation: incarnation)
        case 3: return .deadlineElsewhere
        case 4:
            guard narrator.random.percent(40) else {
                return .failOver(losesRow: narrator.random.percent(40))
            }
            return .meddle(branch: branch, commits: narrator.random.percent(50))
        case 5: return narrator.random.percent(30) ? .restore(branch: branch) : .removeJournalRow
        case 6, 7, 8: return .runReplyLost(branch: branch)
        case 9:
            // A session that its client still listens to has no reason to end.
            let isReplyReceived =
                state.world.sites[branch].session == .holds && state.index(of: 0) != nil
            return isReplyReceived ? .scanLists : .finishReplyLost(branch: branch)
        case 10, 11:
            let votes = state.index(of: incarnation).map { state.incarnations[$0].votes.count } ?? 0
            guard votes > 0 else { return .removeJournalRow }
            return .echo(incarnation: incarnation, vote: narrator.random.below(votes))
        case 12, 13: return .scanLists
        case 14, 15: return .scanActs
        case 16: return .failOver(losesRow: narrator.random.percent(20))
        default: return state.incarnations.count < 3 ? .takeOver : .scanActs
        }
    }
}
