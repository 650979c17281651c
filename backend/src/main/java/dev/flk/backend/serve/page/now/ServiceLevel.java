// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page.now;

import dev.flk.backend.serve.page.now.Problems.Level;
import dev.flk.backend.serve.page.now.Rates.Counted;
import java.util.List;

/**
 * A service level that the backend promises. Its error budget is the share of misses that is permitted.
 *
 * @param text the promise
 * @param misses what happened when the promise was missed, as a noun in the plural and a verb
 * @param permitted the share of misses that is permitted
 * @param missed what counts as a miss
 * @param counted everything that is counted, including misses
 * @param leastMisses the number of misses below which no budget is called used up, and in an hour no burn fast
 * @param urgency how urgent it is that the budget is used up, or used fast
 * @param runbook the name of the runbook for a fast burn
 */
record ServiceLevel(
        String text,
        String misses,
        double permitted,
        List<Counted> missed,
        List<Counted> counted,
        int leastMisses,
        Level urgency,
        String runbook) {
    static final ServiceLevel ESCALATIONS = new ServiceLevel(
            "at most 2 % of certificates are escalated or rejected",
            "certificates were escalated or rejected",
            0.02,
            List.of(Counted.ESCALATED, Counted.REJECTED),
            List.of(Counted.ACCEPTED, Counted.ESCALATED, Counted.REJECTED),
            10,
            Level.NOTICE,
            "EscalationBudgetBurn");

    static final ServiceLevel AVAILABILITY = new ServiceLevel(
            "at most 0.1 % of submissions are answered 500 or 503",
            "submissions were answered 500 or 503",
            0.001,
            List.of(Counted.FAILED),
            List.of(Counted.SUBMITTED),
            10,
            Level.CRITICAL,
            "AvailabilityBudgetBurn");

    static final ServiceLevel LATENCY = new ServiceLevel(
            "at most 1 % of submissions are answered later than 250 ms",
            "submissions were answered later than 250 ms",
            0.01,
            List.of(Counted.SLOW),
            List.of(Counted.TIMED),
            10,
            Level.WARNING,
            "SubmitLatencyBudgetBurn");

    static final ServiceLevel WAITING = new ServiceLevel(
            "at most 1 % of the time, a certificate has waited longer than 60 s for its decision",
            "minutes ended while a certificate had waited longer than 60 s for its decision",
            0.01,
            List.of(Counted.OVERDUE),
            List.of(Counted.MINUTES),
            5,
            Level.WARNING,
            "InboxOverdueBurn");

    static final List<ServiceLevel> ALL = List.of(ESCALATIONS, AVAILABILITY, LATENCY, WAITING);

    // as in alerts/flk.rules.yaml: windows in minutes, and the burn that is exceeded in both windows of a pair
    private static final int SHORT_WINDOW = 5;

    private static final double SHORT_BURN = 14.4;
    private static final int LONG_WINDOW = 360;
    private static final int HALF_HOUR = 30;
    private static final double LONG_BURN = 6;

    double missed(Minutes minutes) {
        return missed.stream().mapToDouble(minutes::sum).sum();
    }

    double counted(Minutes minutes) {
        return counted.stream().mapToDouble(minutes::sum).sum();
    }

    /** Returns the share of misses; NaN if nothing was counted. */
    double share(Minutes minutes) {
        return missed(minutes) / counted(minutes);
    }

    /** Returns the share of the error budget that is left, 0 to 1; NaN if nothing was counted. */
    double left(Minutes minutes) {
        return Math.max(0, 1 - burn(minutes));
    }

    /** Returns how many times as fast as permitted the error budget was used; NaN if nothing was counted. */
    double burn(Minutes minutes) {
        return share(minutes) / permitted;
    }

    /**
     * Returns whether the budget is used up and misses continue: the permitted share was exceeded in all minutes, which
     * are more than an hour, and in the last six hours, as for the warning of the alert, and by more than a few misses.
     */
    boolean isUsedUp(Minutes minutes) {
        return counted(minutes) > counted(minutes.newest(Minutes.HOUR))
                && missed(minutes) >= leastMisses
                && left(minutes) == 0
                && burn(minutes.newest(LONG_WINDOW)) > 1;
    }

    /** Returns whether the critical alert for a fast burn would fire, if all its windows were counted. */
    boolean isBurningFast(Minutes minutes) {
        return missed(minutes.newest(Minutes.HOUR)) >= leastMisses
                && (isFaster(minutes, SHORT_BURN, Minutes.HOUR, SHORT_WINDOW)
                        || isFaster(minutes, LONG_BURN, LONG_WINDOW, HALF_HOUR));
    }

    private boolean isFaster(Minutes minutes, double burn, int longer, int shorter) {
        return burn(minutes.newest(longer)) > burn && burn(minutes.newest(shorter)) > burn;
    }
}
