// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.serve.page;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.flk.backend.ingest.RecentRefusals;
import dev.flk.program.json.Json;
import dev.flk.program.plot.Plot;
import gg.jte.ContentType;
import gg.jte.TemplateEngine;
import gg.jte.output.Utf8ByteOutput;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.Supplier;

/** The HTML of the views. The templates escape all text except the SVG of plots. Safe for any thread. */
public final class Pages {
    /** The views that every page links to. */
    public static final List<Link> VIEWS = List.of(
            new Link("now", "Now", "/ui"),
            new Link("agents", "Agents", "/ui/agents"),
            new Link("shards", "Shards", "/ui/shards"),
            new Link("explore", "Explore", "/ui/outcomes"),
            new Link("review", "Review", "/ui/review"));

    private final String backend;
    private final Supplier<String> scope;
    private final TemplateEngine engine = TemplateEngine.createPrecompiled(ContentType.Html);

    /** A link to a view. */
    public record Link(String name, String title, String path) {}

    /** A view that shows only a message, such as an error, and what to do about it. */
    public record Message(String title, String sentence, String remedy) {}

    /**
     * The answer to a search that found nothing.
     *
     * @param isComplete whether the record and the agents could be searched
     * @param shards some shards whose names begin with the text
     */
    public record NotFound(String text, boolean isComplete, List<String> shards) {}

    /**
     * The refused submissions of the last hour.
     *
     * @param agents the agents that report with each of the keys, some of them
     */
    public record Refused(Instant at, List<RecentRefusals.Group> groups, Map<String, List<String>> agents) {
        /** Returns the agents that report with the key of a group. */
        public List<String> agentsOf(RecentRefusals.Group group) {
            return agents.getOrDefault(group.keyId(), List.of());
        }
    }

    /**
     * @param backend the name of the backend, which every page shows
     * @param scope a supplier of a sentence that says whose certificates the record has; empty for none
     */
    public Pages(String backend, Supplier<String> scope) {
        this.backend = backend;
        this.scope = scope;
        engine.setBinaryStaticContent(false);
    }

    /** Returns the HTML of a view or a message, as UTF-8. The name of its class is that of its template. */
    public byte[] html(Object view) {
        Utf8ByteOutput output = new Utf8ByteOutput();
        String template = view.getClass().getSimpleName().replace("View", "").toLowerCase(Locale.ROOT);
        engine.render(
                "ui/" + template + ".jte", Map.of("view", view, "backend", backend, "scope", scope.get()), output);
        return output.toByteArray();
    }

    /** Parses JSON that this backend has stored, and which is therefore valid. */
    static JsonNode parsed(String json) {
        try {
            return Json.parse(json);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("the store returned text that is not JSON", e);
        }
    }

    /** Returns a number without decimals. */
    public static String number(double value) {
        return Double.isNaN(value) ? "unknown" : String.format(Locale.ROOT, "%,.0f", value);
    }

    /** Returns a duration in its largest suitable unit. */
    public static String duration(double seconds) {
        return !(seconds >= 0)
                ? "0 s"
                : seconds < 120
                        ? String.format(Locale.ROOT, "%.0f s", seconds)
                        : seconds < 7_200
                                ? String.format(Locale.ROOT, "%.0f min", seconds / 60)
                                : String.format(Locale.ROOT, "%.0f h", seconds / 3_600);
    }

    /** Returns a time to the second. */
    public static String time(Instant at) {
        return at.truncatedTo(ChronoUnit.SECONDS).toString().replace("T", " ").replace("Z", " UTC");
    }

    /** Returns a time rounded up to a millisecond, because outcomes are found by milliseconds. */
    static Instant millis(Instant at) {
        Instant millis = at.truncatedTo(ChronoUnit.MILLIS);
        return millis.equals(at) ? at : millis.plusMillis(1);
    }

    /** Returns a time in UTC as an input of type {@code datetime-local} has it, which is to the millisecond. */
    static String local(Instant at) {
        return millis(at).toString().replace("Z", "");
    }

    /** Returns a time from the state to the second; the text itself if it is not a time. */
    public static String time(String at) {
        try {
            return time(Instant.parse(at));
        } catch (DateTimeException e) {
            return at;
        }
    }

    /** Returns the stylesheet, as UTF-8. */
    public static byte[] stylesheet() {
        byte[] own = resource("/dev/flk/program/page/page.css");
        byte[] plots = Plot.style().getBytes(StandardCharsets.UTF_8);
        byte[] both = Arrays.copyOf(own, own.length + plots.length);
        System.arraycopy(plots, 0, both, own.length, plots.length);
        return both;
    }

    /** Returns the page's own script, as UTF-8. */
    public static byte[] script() {
        return resource("page.js");
    }

    /** Returns the script of the view Review, as UTF-8. */
    public static byte[] reviewScript() {
        return resource("review.js");
    }

    /** Returns the library htmx, as UTF-8. */
    public static byte[] htmx() {
        return resource("/META-INF/resources/webjars/htmx.org/2.0.10/dist/htmx.min.js");
    }

    /** Returns a section of the runbooks, without its heading; empty if it does not exist. */
    public static String runbook(String name) {
        String all = "\n" + new String(resource("/META-INF/docs/runbooks.md"), StandardCharsets.UTF_8);
        int begin = all.indexOf("\n## " + name + "\n");
        int end = all.indexOf("\n## ", begin + 1);
        return begin < 0
                ? ""
                : all.substring(begin + name.length() + 5, end < 0 ? all.length() : end)
                        .replaceAll("]\\([^)]*\\)", "]")
                        .replaceAll("\\*\\*|[\\[\\]`]", "")
                        .strip();
    }

    private static byte[] resource(String name) {
        try (InputStream in = Pages.class.getResourceAsStream(name)) {
            if (in == null) {
                throw new IllegalStateException(name + " is missing in this build");
            }
            return in.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
