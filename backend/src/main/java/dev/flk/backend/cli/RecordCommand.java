// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import de.siegmar.fastcsv.writer.CsvWriter;
import de.siegmar.fastcsv.writer.LineDelimiter;
import dev.flk.backend.cli.CommandLineProgram.ConfigOption;
import dev.flk.program.cli.Paragraph;
import dev.flk.program.cli.Printable;
import dev.flk.program.cli.Table;
import dev.flk.program.config.Quantities;
import dev.flk.program.diagnostics.LocalHttpClient;
import java.io.IOException;
import java.io.PrintWriter;
import java.net.URLEncoder;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** The command {@code record}, which prints the outcomes of a shard's certificates from a running backend. */
@Command(
        name = "record",
        description = {
            "Prints the outcomes of the certificates of a shard.",
            "",
            "It asks the backend of the configuration, or the one at --url. Without --shard,",
            "it lists the shards.",
            ""
        },
        exitCodeListHeading = "%nExit codes:%n",
        exitCodeList = {"0:done", "1:the backend can't be reached, or has no record", "2:wrong usage or configuration"})
final class RecordCommand implements Callable<Integer> {
    private static final JsonMapper JSON = new JsonMapper();
    private static final int PART = 1_000;
    private static final int SHORT_ID = 12;
    private static final Table<JsonNode> TABLE = new Table<JsonNode>()
            .left(
                    "received (UTC)",
                    19,
                    outcome -> outcome.path("received_at")
                            .asText()
                            .substring(0, 19)
                            .replace('T', ' '))
            .right("epoch", 8, outcome -> outcome.path("epoch").asText())
            .left("pcs_id", SHORT_ID, outcome -> outcome.path("pcs_id").asText().substring(0, SHORT_ID))
            .left("verdict", 9, outcome -> outcome.path("verdict").asText())
            .right("D_hat", 7, outcome -> number(outcome.path("D_hat")))
            .right("recomputed", 10, outcome -> number(outcome.path("recomputed_D_hat")));
    private static final List<String> COLUMNS = List.of(
            "received_at",
            "shard_id",
            "epoch",
            "pcs_id",
            "verdict",
            "D_hat",
            "recomputed_D_hat",
            "budget",
            "recomputed_budget",
            "coh_star",
            "r",
            "regime",
            "reason",
            "policy",
            "key_id",
            "merkle_root");

    private final Map<String, String> environment;
    private final ConfigOption config;
    private final InstantSource clock;
    private final LocalHttpClient client = new LocalHttpClient(Duration.ofSeconds(30));
    private Optional<String> login = Optional.empty();

    @Option(names = "--shard", paramLabel = "SHARD", description = "The full name of the shard.")
    private @Nullable String shard;

    @Option(
            names = "--since",
            paramLabel = "DURATION",
            description = "Only certificates received within this time, such as 24h or 7d.")
    private @Nullable String since;

    @Option(names = "--verdict", paramLabel = "VERDICT", description = "Only accepted, escalated or rejected.")
    private @Nullable String verdict;

    @Option(names = "--regime", paramLabel = "REGIME", description = "Only sticky, mixed or non_sticky.")
    private @Nullable String regime;

    @Option(names = "--limit", paramLabel = "N", description = "The largest number of lines (default: no limit).")
    private int limit = Integer.MAX_VALUE;

    @Option(
            names = "--format",
            paramLabel = "FORMAT",
            description = "${COMPLETION-CANDIDATES} (default: ${DEFAULT-VALUE}).")
    private Format format = Format.table;

    @Option(names = "--url", paramLabel = "URL", description = "The URL of the backend, such as http://127.0.0.1:8080.")
    private @Nullable String url;

    @Spec
    private CommandSpec spec = CommandSpec.create();

    /** Output formats, named as users type them. */
    private enum Format {
        table,
        json,
        csv
    }

    RecordCommand(Map<String, String> environment, ConfigOption config, InstantSource clock) {
        this.environment = environment;
        this.config = config;
        this.clock = clock;
    }

    @Override
    public Integer call() throws IOException {
        if (limit < 1) {
            throw new ParameterException(spec.commandLine(), "--limit: a number from 1");
        }
        String base = url == null ? RunningBackend.url(environment, config.file) : url;
        login = RunningBackend.login(environment, config.file);
        PrintWriter out = spec.commandLine().getOut();
        if (shard == null) {
            each(
                    base + "/v1/shards?",
                    "",
                    line -> out.println(
                            format == Format.json
                                    ? line
                                    : Printable.of(
                                            JSON.readTree(line).path("shard_id").asText())));
            return ExitCode.OK;
        }
        Printer printer = printer(out);
        each(base + "/v1/shards/" + encoded(shard).replace("+", "%20") + "/outcomes?", filters(), printer);
        return ExitCode.OK;
    }

    /** Returns a printer for outcomes, after printing the headings. */
    private Printer printer(PrintWriter out) {
        return switch (format) {
            case json -> out::println;
            case csv -> {
                CsvWriter csv = CsvWriter.builder()
                        .lineDelimiter(LineDelimiter.PLATFORM)
                        .bufferSize(0)
                        .build(out);
                csv.writeRecord(COLUMNS);
                yield line -> {
                    JsonNode outcome = JSON.readTree(line);
                    csv.writeRecord(COLUMNS.stream()
                            .map(column -> outcome.path(column).asText())
                            .toList());
                };
            }
            case table -> {
                out.print(TABLE.heading());
                yield line -> {
                    JsonNode outcome = JSON.readTree(line);
                    out.print(TABLE.row(outcome));
                    String reason = outcome.path("reason").asText();
                    out.print(reason.isEmpty() ? "" : Paragraph.wrapped("    " + Printable.of(reason)));
                };
            }
        };
    }

    private String filters() {
        StringBuilder query = new StringBuilder();
        if (since != null) {
            query.append("&from=")
                    .append(encoded(clock.instant().minus(sinceDuration(since)).toString()));
        }
        if (verdict != null) {
            query.append("&verdict=").append(encoded(verdict));
        }
        if (regime != null) {
            query.append("&regime=").append(encoded(regime));
        }
        return query.toString();
    }

    private Duration sinceDuration(String text) {
        try {
            return Quantities.positive(text);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--since: '" + text + "' is " + e.getMessage(), e);
        }
    }

    /** Prints one line of an answer. */
    private interface Printer {
        void print(String line) throws IOException;
    }

    /** Passes each line to {@code printer}, fetching one page after another. */
    private void each(String address, String filters, Printer printer) throws IOException {
        int left = limit;
        String cursor = "";
        while (left > 0 && cursor != null) {
            HttpResponse<String> part = ask(address + "limit=" + Math.min(PART, left) + filters + cursor);
            for (String line : part.body().lines().toList()) {
                printer.print(line);
                left--;
            }
            cursor = part.headers()
                    .firstValue("X-Flk-Cursor")
                    .map(next -> "&cursor=" + next)
                    .orElse(null);
        }
    }

    private HttpResponse<String> ask(String address) throws IOException {
        HttpResponse<String> answer;
        try {
            answer = client.ask(address, login);
        } catch (IllegalArgumentException e) {
            throw new ParameterException(spec.commandLine(), "--url: not a URL: " + e.getMessage(), e);
        }
        if (answer.statusCode() == 401) {
            throw new IOException(
                    "the backend asks for the operators' login; run this with its METRICS_USER and METRICS_PASS");
        }
        if (answer.statusCode() != 200) {
            throw new IOException("HTTP %d: %s"
                    .formatted(
                            answer.statusCode(),
                            JSON.readTree(answer.body()).path("error").asText()));
        }
        return answer;
    }

    private static String encoded(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }

    private static String number(JsonNode number) {
        return number.isNumber() ? String.format(Locale.ROOT, "%.4f", number.doubleValue()) : "-";
    }
}
