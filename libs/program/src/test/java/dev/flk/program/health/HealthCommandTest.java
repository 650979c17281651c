// SPDX-License-Identifier: Apache-2.0
package dev.flk.program.health;

import static org.assertj.core.api.Assertions.assertThat;

import dev.flk.program.config.InvalidConfig;
import dev.flk.program.health.CheckRun.Preparation;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import picocli.CommandLine;
import picocli.CommandLine.Command;

@Timeout(60)
final class HealthCommandTest {
    private static final Duration PATIENT = Duration.ofSeconds(30);
    private static final Duration IMPATIENT = Duration.ofMillis(200);

    private final StringWriter printed = new StringWriter();

    @Command(name = "health")
    private static final class FixedChecks extends HealthCommand {
        private final List<Finding> findings;

        FixedChecks(Finding... findings) {
            super("flk-test");
            this.findings = List.of(findings);
        }

        @Override
        protected List<Check> checks(Consumer<Finding> found) {
            found.accept(Finding.good("settings", "can be read"));
            return findings.stream()
                    .map(each -> new Check(each.subject(), findings -> findings.accept(each)))
                    .toList();
        }
    }

    private static List<String> run(Duration limit, Check... checks) throws InterruptedException {
        return texts(found -> List.of(checks), limit);
    }

    private static List<String> texts(Preparation settings, Duration limit) throws InterruptedException {
        return CheckRun.all(settings, limit).stream()
                .map(result -> result.grade() + " " + result.subject() + ": " + result.text())
                .toList();
    }

    private static Check hanging(String subject) {
        return new Check(subject, found -> new CountDownLatch(1).await());
    }

    private static Check good(String subject) {
        return new Check(subject, found -> found.accept(Finding.good(subject, "answers")));
    }

    @Test
    void checkHangs_isNamed_andTheOthersAreReported() throws Exception {
        // long enough for the others on a busy machine
        assertThat(run(Duration.ofSeconds(3), good("a"), hanging("b"), good("c")))
                .containsExactly(
                        "GOOD a: answers",
                        "BAD b: no answer within 3 s; look for a disk, network or process that hangs, or a busy machine",
                        "GOOD c: answers");
    }

    @Test
    void checkHangsLater_earlierFindingsAreReported() throws Exception {
        Check check = new Check("a", found -> {
            found.accept(Finding.good("a", "answers"));
            new CountDownLatch(1).await();
        });
        // long enough for the first finding on a busy machine
        assertThat(run(Duration.ofSeconds(3), check)).hasSize(2).startsWith("GOOD a: answers");
    }

    @Test
    void settingsHang_isNamed() throws Exception {
        assertThat(texts(
                        found -> {
                            new CountDownLatch(1).await();
                            return List.of();
                        },
                        IMPATIENT))
                .singleElement()
                .asString()
                .startsWith("BAD settings: no answer within");
    }

    @Test
    void settingsInvalid_eachProblemIsNamed() throws Exception {
        assertThat(texts(
                        found -> {
                            throw new InvalidConfig(List.of("A: not set", "B: not a port"));
                        },
                        PATIENT))
                .containsExactly("BAD settings: A: not set", "BAD settings: B: not a port");
    }

    @Test
    void checkFails_isBad() throws Exception {
        assertThat(run(
                        PATIENT,
                        new Check("a", found -> {
                            throw new NoSuchFileException("/x");
                        }),
                        new Check("b", found -> {
                            throw new NoClassDefFoundError("Y");
                        })))
                .containsExactly(
                        "BAD a: can't use /x: there is no such file or directory",
                        "BAD b: internal error: java.lang.NoClassDefFoundError: Y");
    }

    @Test
    void checks_runAtTheSameTime() throws Exception {
        CountDownLatch both = new CountDownLatch(2);
        Check waitsForTheOther = new Check("a", found -> {
            both.countDown();
            both.await();
            found.accept(Finding.good("a", "met the other"));
        });
        assertThat(run(PATIENT, waitsForTheOther, waitsForTheOther))
                .hasSize(2)
                .allMatch(text -> text.startsWith("GOOD"));
    }

    @Test
    void limit_countsFromTheStartOfTheProcess() {
        assertThat(HealthCommand.limit(Duration.ofSeconds(1))).isEqualTo(Duration.ofSeconds(7));
        assertThat(HealthCommand.limit(Duration.ofMillis(7_900))).isEqualTo(Duration.ofSeconds(1));
        assertThat(HealthCommand.limit(Duration.ofHours(1))).isEqualTo(Duration.ofSeconds(8));
        assertThat(HealthCommand.limit(Duration.ofHours(-1))).isEqualTo(Duration.ofSeconds(8));
    }

    private int print(HealthCommand command, String... args) {
        return new CommandLine(command).setOut(new PrintWriter(printed)).execute(args);
    }

    @Test
    void output_hasALineForEach_andFitsATerminal() {
        String long80 = "word ".repeat(20).strip();
        assertThat(print(new FixedChecks(Finding.doubtful("redis", long80), Finding.bad("disk", "is full"))))
                .isEqualTo(1);
        assertThat(printed.toString().replaceAll("[0-9]+ ms", "0 ms"))
                .containsPattern("(?m)^ok   settings +0 ms  can be read$")
                .containsPattern("(?m)^\\?    redis +0 ms  word word")
                .containsPattern("(?m)^BAD  disk +0 ms  is full$");
        assertThat(printed.toString().lines())
                .allSatisfy(line -> assertThat(line).hasSizeLessThanOrEqualTo(80));
    }

    @Test
    void nothingBad_exits0_andJsonHasTheMembers() {
        assertThat(print(new FixedChecks(Finding.doubtful("keys", "expire soon")), "--json"))
                .isZero();
        assertThat(printed.toString().replaceAll("\"millis\":[0-9]+", "\"millis\":0"))
                .isEqualTo("""
                        {"type":"check","program":"flk-test","grade":"good","subject":"settings","millis":0,"text":"can be read"}
                        {"type":"check","program":"flk-test","grade":"doubtful","subject":"keys","millis":0,"text":"expire soon"}
                        """);
    }
}
