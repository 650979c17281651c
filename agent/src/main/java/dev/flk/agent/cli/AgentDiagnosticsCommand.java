// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.cli;

import dev.flk.agent.config.AgentConfig;
import dev.flk.agent.outbox.DeadLetterFile;
import dev.flk.program.config.Diagnosed;
import dev.flk.program.diagnostics.DiagnosticsArchive;
import dev.flk.program.diagnostics.DiagnosticsCommand;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;

@Command(
        name = "diagnostics",
        header = "Create an archive for a bug report, without secrets.",
        description = {
            "The archive contains versions, disks, the configuration without secrets,",
            "metrics and status of the running agent, the number of dead letters by reason,",
            "and the ends of log files. The command changes nothing, and works without a",
            "running agent. Run it with the agent's configuration: it removes the secrets in",
            "that configuration from everything, including log files."
        })
final class AgentDiagnosticsCommand extends DiagnosticsCommand {
    /**
     * The maximum number of combinations of status and reason that the archive lists; dead letters with any other
     * combination are counted together as {@code others}. There is a limit because backends may return any text as a
     * reason.
     */
    private static final int MOST_REASONS = 100;

    private final Context context;

    AgentDiagnosticsCommand(Context context) {
        super("flk-agent");
        this.context = context;
    }

    @Override
    protected String write() throws IOException {
        Diagnosed<AgentConfig> known = context.diagnosedConfig();
        return write(Instant.now(), known.secrets(), archive -> fill(archive, known));
    }

    private void fill(DiagnosticsArchive archive, Diagnosed<AgentConfig> known) throws IOException {
        archive.addMachine(
                new FlkAgent.Version().getVersion()[0],
                known.config().map(AgentDiagnosticsCommand::directories).orElse(List.of()));
        archive.add("config.txt", known::text);
        if (known.config().isPresent()) {
            AgentConfig valid = known.config().get();
            if (valid.metricsPort().isPresent()) {
                String url = "http://127.0.0.1:" + valid.metricsPort().get() + "/metrics";
                archive.add("metrics.txt", () -> client.get(url, Optional.empty()));
            }
            archive.add("status.json", () -> printedBy("status", "--json"));
            archive.add("dead-letters.txt", () -> deadLetters(valid.deadLetters()));
        }
    }

    private static List<Path> directories(AgentConfig config) {
        List<Path> directories = new ArrayList<>();
        directories.add(config.outbox().directory());
        directories.add(
                Optional.ofNullable(config.deadLetters().toAbsolutePath().getParent())
                        .orElse(config.deadLetters()));
        config.spoolDirectory().ifPresent(directories::add);
        directories.add(Path.of(System.getProperty("java.io.tmpdir")));
        return directories;
    }

    private String printedBy(String... command) {
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        try (PrintStream stream = new PrintStream(printed, true, StandardCharsets.UTF_8)) {
            int exitCode = context.again(InputStream.nullInputStream(), stream).run(command);
            if (exitCode != 0) {
                stream.println("exit code " + exitCode);
            }
        }
        return printed.toString(StandardCharsets.UTF_8);
    }

    /**
     * Returns the number of dead letters for each status and reason, as text. Reasons end before their first colon or
     * comma. The text contains no certificates.
     */
    private static String deadLetters(Path file) throws IOException {
        Map<String, Long> counts = new TreeMap<>();
        List<String> damaged = DeadLetterFile.letters(file, any -> true, letter -> {
            String kind = letter.status() + " " + letter.reason().split("[:,]", 2)[0];
            counts.merge(counts.containsKey(kind) || counts.size() < MOST_REASONS ? kind : "others", 1L, Long::sum);
        });
        return counts.values().stream().mapToLong(Long::longValue).sum() + " dead letters\n"
                + counts.entrySet().stream()
                        .map(entry -> "%12d  %s\n".formatted(entry.getValue(), entry.getKey()))
                        .collect(Collectors.joining())
                + String.join("\n", damaged);
    }
}
