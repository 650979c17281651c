// SPDX-License-Identifier: Apache-2.0
package dev.flk.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.sample.Pcs;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;
import org.junit.jupiter.api.io.TempDir;

/** {@code deploy/cron}: lines that cron takes, whose commands say something only when there is something to say. */
final class CronIT {
    private static final Path TABLES = Built.root().resolve("deploy/cron");

    private static final String FIELD = "(?:\\*|[0-9]+)(?:/[0-9]+)?";
    private static final Pattern JOB =
            Pattern.compile("(?<time>" + FIELD + "(?: " + FIELD + "){4})  (?<user>[a-z-]+)  (?<command>\\S.*)");
    private static final Pattern SETTING = Pattern.compile("[A-Z]+=\\S+");

    /** What cron reads of a line. */
    private static final int LONGEST_LINE = 999;

    @RegisterExtension
    static final RunningBackend backend = RunningBackend.with(Map.of(), Program.QUICK_START.toArray(String[]::new));

    @TempDir
    private Path directory;

    private record Job(String user, String command) {
        boolean runs(String words) {
            return command.contains(".jar " + words);
        }
    }

    private static List<Job> jobs(String table) throws IOException {
        return Files.readAllLines(TABLES.resolve(table)).stream()
                .filter(line -> !line.isBlank()
                        && !line.startsWith("#")
                        && !SETTING.matcher(line).matches())
                .map(line -> {
                    Matcher job = JOB.matcher(line);
                    assertThat(job.matches()).as(line).isTrue();
                    // a % begins the input of the command
                    assertThat(line).hasSizeLessThan(LONGEST_LINE).doesNotContain("%");
                    return new Job(job.group("user"), job.group("command"));
                })
                .toList();
    }

    private static Job job(String table, String words) throws IOException {
        return jobs(table).stream().filter(job -> job.runs(words)).findFirst().orElseThrow();
    }

    @Test
    void tables_haveNamesThatCronReads_andUsersOfTheUnits() throws IOException {
        List<String> names;
        try (Stream<Path> files = Files.list(TABLES)) {
            names = files.map(file -> file.getFileName().toString()).toList();
        }
        assertThat(names).containsExactlyInAnyOrder("flk-agent", "flk-backend");
        for (String name : names) {
            assertThat(Files.readString(TABLES.resolve(name)))
                    .endsWith("\n")
                    .contains("SHELL=/bin/sh\n", "MAILTO=root\n");
            String unit = Files.readString(Built.root().resolve("deploy/systemd/" + name + ".service"));
            assertThat(jobs(name)).isNotEmpty().allSatisfy(job -> {
                assertThat(unit).contains("User=" + job.user() + "\n");
                Matcher configuration = Pattern.compile("--config (\\S+)").matcher(job.command());
                assertThat(configuration.find()).isTrue();
                assertThat(unit).contains("--config " + configuration.group(1) + "\n");
            });
        }
    }

    @Test
    void agentJobs_areSilentWhileAllIsWell_andTellWhatIsNot() throws Exception {
        AgentHome home = AgentHome.in(directory);
        Path configuration = settings(home.sendingTo(backend.process().url()));
        Job compact = job("flk-agent", "compact");
        Job status = job("flk-agent", "status");
        try (Program agent = home.start(Map.of(), "run", "--config", configuration.toString())) {
            agent.awaitLine(line -> line.contains("certificates wait"));
            assertThat(run(compact, configuration)).isEmpty();
            assertThat(run(status, configuration)).isEmpty();
        }
        home.succeed(
                Map.of(),
                "submit",
                "--config",
                configuration.toString(),
                home.file("one", Pcs.number(1)).toString());
        assertThat(run(status, configuration)).contains("no agent runs");
        assertThat(run(compact, configuration)).isEmpty();
    }

    @Test
    void backendJob_isSilentWhileTheLogIsWhole_andNamesWhatIsMissing() throws Exception {
        Path configuration =
                settings(Map.of("WAL_DIR", directory.resolve("data/wal").toString()));
        Job verify = job("flk-backend", "wal verify");
        try (BackendProcess other = BackendProcess.start(directory)) {
            Client client = new Client(other.url());
            for (int i = 0; i < 3; i++) {
                assertThat(client.submit(Pcs.number(i)).status()).isEqualTo(200);
            }
            assertThat(run(verify, configuration)).isEmpty();
            Path segment = new LogFiles(directory.resolve("data/wal"), "inbox")
                    .segments()
                    .get(0);
            int inTheFirstBody =
                    Files.readString(segment, StandardCharsets.ISO_8859_1).indexOf("merkle_root");
            try (FileChannel channel = FileChannel.open(segment, StandardOpenOption.WRITE)) {
                channel.write(ByteBuffer.wrap(new byte[] {'!'}), inTheFirstBody);
            }
            assertThat(run(verify, configuration)).contains("MISSING RECORDS", "1 record missing");
        }
    }

    private Path settings(Map<String, String> settings) throws IOException {
        return Files.write(
                directory.resolve("settings"),
                settings.entrySet().stream()
                        .map(setting -> setting.getKey() + "=" + setting.getValue())
                        .toList());
    }

    /** What cron would mail: all that its command prints, as its shell runs it. */
    private String run(Job job, Path configuration) throws Exception {
        String command = job.command()
                .replaceAll("/etc/\\S+\\.properties", Matcher.quoteReplacement(configuration.toString()))
                .replaceAll(
                        "/opt/flk/(flk-[a-z]+)\\.jar",
                        Matcher.quoteReplacement(Built.root().toString()) + "/$1/target/$1.jar")
                .replace("/flk-backend/target/", "/backend/target/")
                .replace("/flk-agent/target/", "/agent/target/");
        String path = Path.of(System.getProperty("java.home"), "bin") + ":/usr/bin:/bin";
        return new HostProgram(Path.of("/bin/sh"), directory)
                .run(Map.of("PATH", path), List.of("-c", command))
                .output();
    }
}
