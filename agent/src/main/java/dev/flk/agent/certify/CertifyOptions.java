// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.certify;

import dev.flk.agent.csv.CsvOptions;
import dev.flk.program.config.Quantities;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * The options that say how a CSV is written and divided into windows, as the command line or a file of sources gives
 * them. An invalid option is an {@link IllegalArgumentException}, as in {@link CsvOptions}.
 */
public final class CertifyOptions {
    @Mixin
    public CsvOptions csv = new CsvOptions();

    @Option(
            names = "--window",
            paramLabel = "ROWS",
            description = "The number of rows in a window (default: 300 for one or two columns of values, 1,500 for"
                    + " three).")
    public @Nullable Integer windowRows;

    @Option(
            names = "--window-time",
            paramLabel = "DURATION",
            description = "Divide by time instead, such as 6h; the epoch of a window is its number since 1970.")
    public @Nullable String windowTime;

    @Option(
            names = "--first-epoch",
            paramLabel = "N",
            description = "The epoch of the first window, unless --window-time is given (default: 0).")
    public long firstEpoch;

    /** Returns the division into windows. */
    public Windows windows() {
        if (windowTime != null && windowRows != null) {
            throw new IllegalArgumentException("--window counts rows and --window-time is a length; give one of them");
        }
        if (windowTime == null) {
            return windowRows == null ? Windows.byValues(firstEpoch) : Windows.byCount(windowRows, firstEpoch);
        }
        Duration length;
        try {
            length = Quantities.duration(windowTime);
        } catch (IllegalArgumentException e) {
            throw new IllegalArgumentException("--window-time: the value is " + e.getMessage(), e);
        }
        return Windows.byTime(length);
    }
}
