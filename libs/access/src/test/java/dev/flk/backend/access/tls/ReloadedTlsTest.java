// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tls;

import static dev.flk.program.metrics.ScrapedText.sample;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import dev.flk.backend.access.tls.ReloadedTls.TlsMetrics;
import dev.flk.program.metrics.Metrics;
import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.testkit.TestAuthority;
import dev.flk.testkit.TestAuthority.Issued;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests that changed TLS files take effect, that invalid files do not, and that a persistent mistake is reported. */
final class ReloadedTlsTest {
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final Issued FIRST = AUTHORITY.issue("first", "localhost");
    private static final Issued SECOND = AUTHORITY.issue("second", "localhost");

    @TempDir
    private Path directory;

    private final Metrics metrics = new Metrics("test");
    private final TlsMetrics tlsMetrics = new TlsMetrics(metrics);
    private Path live;
    private Instant now = Instant.now();
    private ReloadedTls tls;

    /**
     * Creates the files as in a Kubernetes volume: their paths lead through a link to a directory, and an update
     * replaces the link.
     */
    @BeforeEach
    void start() throws Exception {
        live = directory.resolve("..data");
        publish(FIRST);
        Files.createSymbolicLink(directory.resolve("tls.crt"), Path.of("..data/own.crt"));
        Files.createSymbolicLink(directory.resolve("tls.key"), Path.of("..data/own.key"));
        open();
    }

    private void open() throws InvalidFileException {
        tls = new ReloadedTls(
                new TlsFiles(directory.resolve("tls.crt"), directory.resolve("tls.key"), Optional.empty()),
                () -> now,
                tlsMetrics);
    }

    @AfterEach
    void close() {
        tls.close();
    }

    private Path write(Issued issued) throws IOException {
        Path version = Files.createTempDirectory(directory, "..version");
        issued.writeTo(version, "own");
        return version;
    }

    private void publish(Issued issued) throws IOException {
        Path link = Files.createSymbolicLink(
                directory.resolve("..data-new"), write(issued).getFileName());
        Files.move(link, live, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    private String inForce() {
        return tls.toString().replaceAll(",.*", "");
    }

    @Test
    void keyChangedAfterTheCertificate_isNotAnError() throws IOException {
        Files.writeString(live.resolve("own.crt"), SECOND.certificatePem());
        tls.step();
        assertThat(inForce()).isEqualTo("CN=first");
        assertThat(sample(metrics, "flk_tls_files_bad")).isZero();

        Files.writeString(live.resolve("own.key"), SECOND.keyPem());
        tls.step();
        assertThat(inForce()).isEqualTo("CN=second");
        assertThat(sample(metrics, "flk_tls_files_bad")).isZero();
    }

    @Test
    void missingFiles_areAnError() throws IOException {
        Files.delete(live);
        tls.step();
        tls.step();

        assertThat(inForce()).isEqualTo("CN=first");
        assertThat(sample(metrics, "flk_tls_files_bad")).isEqualTo(1);
    }

    @Test
    void reloadSignal_readsAndReportsErrorsAtOnce() throws IOException {
        Files.writeString(live.resolve("own.key"), "x");
        tls.onReloadSignal();
        await().until(() -> sample(metrics, "flk_tls_files_bad") == 1);

        publish(SECOND);
        tls.onReloadSignal();
        await().until(() -> inForce().equals("CN=second") && sample(metrics, "flk_tls_files_bad") == 0);
    }

    @Test
    void expiredCertificate_doesNotReplaceAValidOne() throws IOException {
        publish(AUTHORITY.issueEnded("ended", "localhost"));
        tls.step();
        tls.step();

        assertThat(inForce()).isEqualTo("CN=first");
        assertThat(sample(metrics, "flk_tls_files_bad")).isEqualTo(1);
    }

    @Test
    void expiredCertificate_isAcceptedAtStartAndInPlaceOfAnExpiredOne() throws Exception {
        publish(AUTHORITY.issueEnded("ended", "localhost"));
        tls.close();
        open();
        assertThat(inForce()).isEqualTo("CN=ended");
        assertThat(sample(metrics, "flk_tls_not_after_seconds")).isLessThan((double) now.getEpochSecond());

        publish(AUTHORITY.issueEnded("ended too", "localhost"));
        tls.step();
        assertThat(inForce()).isEqualTo("CN=ended too");
    }

    @Test
    void notYetValidCertificate_isAnErrorUntilItIsValid() throws IOException {
        publish(AUTHORITY.issue("tomorrow", now.plus(Duration.ofDays(1)), now.plus(Duration.ofDays(9)), "localhost"));
        tls.step();
        tls.step();
        assertThat(sample(metrics, "flk_tls_files_bad")).isEqualTo(1);
        assertThat(inForce()).isEqualTo("CN=first");

        now = now.plus(Duration.ofDays(2));
        tls.step();
        assertThat(inForce()).isEqualTo("CN=tomorrow");
        assertThat(sample(metrics, "flk_tls_files_bad")).isZero();
    }
}
