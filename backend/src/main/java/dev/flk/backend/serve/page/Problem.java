// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import java.time.Instant;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A current problem.
 *
 * @param id distinguishes this problem from all others, also when its numbers change
 * @param sentence what is wrong, with numbers
 * @param remedy what to do
 * @param links the lists of what the numbers count; empty if no list exists
 */
public record Problem(String id, String sentence, String remedy, List<Link> links) {
    private static final Pattern RUNBOOK = Pattern.compile("runbook ([A-Za-z]+)");

    /** Returns the section of the runbooks that the remedy names, as plain text; empty if it names none. */
    public String runbook() {
        Matcher name = RUNBOOK.matcher(remedy);
        return name.find() ? Pages.runbook(name.group(1)) : "";
    }

    /**
     * A link to a list.
     *
     * @param line a small plot of what is listed, as SVG; empty for none
     */
    public record Link(String text, String path, String line) {
        Link(String text, String path) {
            this(text, path, "");
        }
    }

    /** A problem and the time at which this process saw it first, without an interruption since. */
    public record Seen(Problem problem, Instant since) {}
}
