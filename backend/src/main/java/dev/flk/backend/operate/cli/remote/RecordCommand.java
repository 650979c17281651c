// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.operate.cli.remote;

import static dev.flk.backend.outcomes.record.OutcomeQuery.encoded;
import static dev.flk.program.remote.RemoteConnection.error;
import static dev.flk.program.remote.RemoteConnection.parsed;
import static dev.flk.program.remote.RemoteConnection.required;

import com.fasterxml.jackson.databind.JsonNode;
import de.siegmar.fastcsv.writer.LineDelimiter;
import dev.flk.backend.operate.cli.options.Configuration;
import dev.flk.backend.outcomes.record.OutcomeCsv;
import dev.flk.backend.outcomes.record.OutcomeQuery;
import dev.flk.backend.outcomes.record.OutcomeQuery.InvalidQueryException;
import dev.flk.program.cli.OptionText;
import dev.flk.program.cli.Output;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.program.config.Quantities;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.http.HttpResponse;
import java.time.Instant;
import java.time.InstantSource;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

/** The command {@code record}, which prints outcomes of certificates from a running backend. */
@Command(
        name = "record",
        description = {
            "Prints the outcomes of certificates, in the order of time.",
            "",
            "It asks the backend of the configuration, or the one at --url. A TIME is like",
            "2026-01-31 or 2026-01-31T12:00:00Z. Without any condition and without --all,",
            "it lists the shards.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {
            "0:done",
            "1:the backend can't be reached or keeps no record, or no outcome of the shard is recorded",
            "2:wrong usage or configuration"
        })
public final class RecordCommand implements Callable<Integer> {
    private static final int PART = 1_000;
    private static final int SHORT_ID = 12;
    private static final int NO_FRACTION = 19;
    private static final int LONGEST_SHARD = 24;
    private static final String UNKNOWN_SHARD = "no outcome of this shard";
    private static final Table<JsonNode> TABLE = new Table<JsonNode>()
            .left("received (UTC)", 19, RecordCommand::received)
            .right("epoch", 8, outcome -> outcome.path("epoch").asText())
            .left("pcs_id", SHORT_ID, RecordCommand::shortId)
            .left("verdict", 9, outcome -> outcome.path("verdict").asText())
            .right("D_hat", 7, outcome -> number(outcome.path("D_hat")))
            .right("recomputed", 10, outcome -> number(outcome.path("recomputed_D_hat")));
    private static final Table<JsonNode> TABLE_WITH_SHARDS = new Table<JsonNode>()
            .left("received (UTC)", 19, RecordCommand::received)
            .left("pcs_id", SHORT_ID, RecordCommand::shortId)
            .left("verdict", 9, outcome -> outcome.path("verdict").asText())
            .right("D_hat", 7, outcome -> number(outcome.path("D_hat")))
            .left("shard", outcome -> isLong(shard(outcome)) ? "(see below)" : shard(outcome));

    private final InstantSource clock;

    @Mixin
    private final BackendConnection backend;

    private boolean isPartial;

    @Option(
            names = "--shard",
            scope = ScopeType.INHERIT,
            paramLabel = "SHARD",
            description = "Only this shard; its full name.")
    private @Nullable String shard;

    @Option(
            names = "--id",
            scope = ScopeType.INHERIT,
            paramLabel = "HEX",
            description = "Only ids that begin with these digits, at least eight.")
    private @Nullable String id;

    @Option(
            names = "--verdict",
            scope = ScopeType.INHERIT,
            paramLabel = "VERDICT",
            description = "Only ${COMPLETION-CANDIDATES}.")
    private @Nullable Verdict verdict;

    @Option(
            names = "--regime",
            scope = ScopeType.INHERIT,
            paramLabel = "REGIME",
            description = "Only ${COMPLETION-CANDIDATES}.")
    private @Nullable Regime regime;

    @Option(
            names = "--reason",
            scope = ScopeType.INHERIT,
            paramLabel = "REASON",
            description = "Only this reason: its words before the colon, such as 'regime mismatch'.")
    private @Nullable String reason;

    @Option(
            names = "--key",
            scope = ScopeType.INHERIT,
            paramLabel = "KEY_ID",
            description = "Only certificates signed with this key.")
    private @Nullable String key;

    @Option(
            names = "--since",
            scope = ScopeType.INHERIT,
            paramLabel = "DURATION",
            description = "Only certificates received within this time, such as 24h or 7d.")
    private @Nullable String since;

    @Option(
            names = "--from",
            scope = ScopeType.INHERIT,
            paramLabel = "TIME",
            description = "Only certificates received at this time or later.")
    private @Nullable String from;

    @Option(
            names = "--until",
            scope = ScopeType.INHERIT,
            paramLabel = "TIME",
            description = "Only certificates received before this time.")
    private @Nullable String until;

    @Option(
            names = "--measured-from",
            scope = ScopeType.INHERIT,
            paramLabel = "TIME",
            description = "Only certificates whose last measurement was at this time or later.")
    private @Nullable String measuredFrom;

    @Option(
            names = "--measured-until",
            scope = ScopeType.INHERIT,
            paramLabel = "TIME",
            description = "Only certificates whose last measurement was before this time.")
    private @Nullable String measuredUntil;

    @Option(
            names = "--all",
            scope = ScopeType.INHERIT,
            description = "Outcomes of all shards, even without a condition.")
    private boolean all;

    @Option(names = "--newest", scope = ScopeType.INHERIT, description = "The newest first.")
    private boolean isNewestFirst;

    @Option(
            names = "--limit",
            scope = ScopeType.INHERIT,
            paramLabel = "N",
            description = "The largest number of lines (default: no limit).")
    private int limit = Integer.MAX_VALUE;

    @Option(names = "--csv", description = "CSV with a line of headings.")
    private boolean csv;

    /** Verdicts, named as users type them. */
    private enum Verdict {
        accepted,
        escalated,
        rejected
    }

    /** Regimes, named as users type them. */
    private enum Regime {
        sticky,
        mixed,
        non_sticky
    }

    private RecordCommand(Configuration config, InstantSource clock) {
        this.clock = clock;
        this.backend = new BackendConnection(config);
    }

    /** Returns the command with its subcommands. */
    public static CommandLine with(Configuration config, InstantSource clock) {
        RecordCommand record = new RecordCommand(config, clock);
        return new CommandLine(record)
                .addSubcommand(new RecordExportCommand(record))
                .addSubcommand(new RecordSqlCommand(record));
    }

    @Override
    public Integer call() throws IOException {
        Map<String, String> conditions = conditions();
        boolean listsShards = shard == null && conditions.isEmpty() && !all;
        if (csv && backend.isJson()) {
            throw backend.usage("--csv and --json can't be combined; give at most one of them");
        }
        if (listsShards && csv) {
            throw backend.usage("--csv: give a condition, such as --since 24h, or --all for all outcomes;"
                    + " without either, record lists the shards");
        }
        PrintWriter out = backend.out();
        if (listsShards) {
            each(
                    "/v1/shards",
                    () -> (line, parsed) ->
                            out.println(backend.isJson() ? Printable.json(line) : Printable.of(shard(parsed))));
            return ExitCode.OK;
        }
        outcomes(conditions, () -> printer(out));
        printFooter(csv || backend.isJson() ? backend.spec().commandLine().getErr() : out);
        return ExitCode.OK;
    }

    private void outcomes(Map<String, String> conditions, Supplier<Printer> printers) throws IOException {
        String path = shard == null ? "/v1/outcomes" : "/v1/shards/" + encoded(shard) + "/outcomes";
        each(OutcomeQuery.address(path, conditions), printers);
    }

    private void printFooter(PrintWriter to) {
        if (isPartial) {
            to.print(Paragraph.wrapped(
                    "These are the outcomes of one backend; others share its store. Ask each with --url."));
        }
    }

    /** A reader of lines, which are JSON objects. */
    interface LineReader {
        void read(String line) throws IOException;
    }

    /** Passes the outcomes that the options select to a reader, each with the newest review of its certificate. */
    void download(LineReader lines) throws IOException {
        Map<String, String> conditions = conditions();
        conditions.put("reviews", "true");
        outcomes(conditions, () -> (line, parsed) -> lines.read(line));
        printFooter(backend.spec().commandLine().getErr());
    }

    boolean isJson() {
        return backend.isJson();
    }

    Output output() {
        return backend.output();
    }

    /** Prints the headings, if the format has any, and returns a printer for the outcomes. */
    private Printer printer(PrintWriter out) {
        if (backend.isJson()) {
            return (line, outcome) -> out.println(Printable.json(line));
        }
        if (csv) {
            OutcomeCsv lines = new OutcomeCsv(out, LineDelimiter.PLATFORM);
            return (line, outcome) -> lines.write(outcome);
        }
        Table<JsonNode> table = shard == null ? TABLE_WITH_SHARDS : TABLE;
        out.print(table.heading());
        return (line, outcome) -> {
            out.print(table.row(outcome));
            if (shard == null && isLong(shard(outcome))) {
                out.print("    shard " + Printable.of(shard(outcome)) + System.lineSeparator());
            }
            String reason = outcome.path("reason").asText();
            out.print(reason.isEmpty() ? "" : Paragraph.wrapped("    " + Printable.of(reason)));
        };
    }

    /** Checks the options, and returns the conditions of a query, except the shard. */
    private Map<String, String> conditions() {
        if (limit < 1) {
            throw backend.usage("--limit: a number from 1");
        }
        if (since != null && from != null) {
            throw backend.usage("--since and --from can't be combined; give at most one of them");
        }
        Map<String, String> conditions = new LinkedHashMap<>();
        Instant begin = since == null
                ? time("--from", from)
                : clock.instant().minus(OptionText.parsed(backend.spec(), "--since", since, Quantities::positive));
        add(conditions, "from", begin);
        add(conditions, "to", time("--until", until));
        add(conditions, "measured_from", time("--measured-from", measuredFrom));
        add(conditions, "measured_to", time("--measured-until", measuredUntil));
        add(conditions, "verdict", verdict);
        add(conditions, "regime", regime);
        add(conditions, "reason", reason);
        add(conditions, "key", key);
        add(conditions, "id", id);
        add(conditions, "order", isNewestFirst ? "newest" : null);
        if (id != null && (shard != null || conditions.size() > 1)) {
            throw backend.usage("--id: can't be combined with other conditions");
        }
        try {
            var unused = OutcomeQuery.parse(conditions);
        } catch (InvalidQueryException e) {
            throw backend.usage("--" + e.getMessage());
        }
        return conditions;
    }

    private static void add(Map<String, String> conditions, String name, @Nullable Object value) {
        if (value != null) {
            conditions.put(name, value.toString());
        }
    }

    private @Nullable Instant time(String option, @Nullable String text) {
        return text == null ? null : OptionText.time(backend.spec(), option, text);
    }

    /** A printer of the lines of an answer. */
    private interface Printer {
        void print(String line, JsonNode parsed) throws IOException;
    }

    /**
     * Passes at most {@code limit} lines of an answer, which is fetched in parts, to a printer. The printer is made, and
     * prints its headings, only after the first part has arrived.
     */
    private void each(String question, Supplier<Printer> printers) throws IOException {
        HttpResponse<String> part = ask(question, "");
        Printer printer = printers.get();
        int left = limit;
        while (true) {
            for (String line : part.body().lines().limit(left).toList()) {
                printer.print(line, parsed(line));
                left--;
            }
            Optional<String> cursor = part.headers().firstValue("X-Flk-Cursor");
            if (left == 0 || cursor.isEmpty()) {
                return;
            }
            part = ask(question, "&cursor=" + cursor.get());
        }
    }

    private HttpResponse<String> ask(String question, String cursor) throws IOException {
        String limited = (question.contains("?") ? "&limit=" : "?limit=") + Math.min(PART, limit) + cursor;
        String target = id == null ? question + limited : question;
        HttpResponse<String> answer = backend.sendWithLogin(backend.request("GET", target, null));
        if (answer.statusCode() == 404 && shard != null && error(answer.body()).startsWith(UNKNOWN_SHARD)) {
            throw new IOException("no outcome of shard '" + Printable.of(shard)
                    + "' is recorded; run record without --shard to list the shards");
        }
        isPartial |= answer.headers()
                .firstValue("X-Flk-Covers")
                .filter("this-backend"::equals)
                .isPresent();
        return required(answer);
    }

    /** Returns whether a name is too long for the last column, which would cut it. */
    private static boolean isLong(String name) {
        return name.length() > LONGEST_SHARD;
    }

    private static String shard(JsonNode line) {
        return line.path("shard_id").asText();
    }

    private static String received(JsonNode outcome) {
        return beginning(outcome.path("received_at"), NO_FRACTION).replace('T', ' ');
    }

    private static String shortId(JsonNode outcome) {
        return beginning(outcome.path("pcs_id"), SHORT_ID);
    }

    private static String beginning(JsonNode text, int chars) {
        return text.asText().substring(0, Math.min(chars, text.asText().length()));
    }

    private static String number(JsonNode number) {
        return number.isNumber() ? String.format(Locale.ROOT, "%.4f", number.doubleValue()) : "-";
    }
}
