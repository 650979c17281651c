// SPDX-License-Identifier: Apache-2.0
package dev.flk.backend.access.tls;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import dev.flk.program.reload.ConfiguredFile.InvalidFileException;
import dev.flk.testkit.TestAuthority;
import dev.flk.testkit.TestAuthority.Issued;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyPairGenerator;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Tests which TLS files are accepted, and the error messages for the others. */
final class TlsFilesTest {
    private static final TestAuthority AUTHORITY = TestAuthority.named("authority");
    private static final Issued RIGHT = AUTHORITY.issue("right", "localhost");

    @TempDir
    private Path directory;

    private Path certificate;
    private Path key;

    @BeforeEach
    void rightFiles() throws IOException {
        RIGHT.writeTo(directory, "right");
        certificate = directory.resolve("right.crt");
        key = directory.resolve("right.key");
    }

    private TlsFiles files() {
        return new TlsFiles(certificate, key, Optional.empty());
    }

    private List<String> problems(TlsFiles files) {
        InvalidFileException thrown = catchThrowableOfType(InvalidFileException.class, files::check);
        assertThat(thrown).isNotNull();
        return thrown.problems();
    }

    private void assertProblem(String... parts) {
        assertThat(problems(files())).singleElement().asString().contains(parts);
    }

    private void writeKey(String text) throws IOException {
        Files.writeString(key, text);
    }

    private static String pem(String label, byte[] content) {
        return "-----BEGIN " + label + "-----\n" + Base64.getMimeEncoder().encodeToString(content) + "\n-----END "
                + label + "-----\n";
    }

    @Test
    void pair_withItsAuthorityAndClientAuthority_isAccepted() throws IOException {
        Files.writeString(certificate, "a text\n" + RIGHT.certificatePem() + AUTHORITY.pem());
        Path authorities = AUTHORITY.writeTo(directory.resolve("clients.crt"));

        assertThatCode(() -> new TlsFiles(certificate, key, Optional.of(authorities)).check())
                .doesNotThrowAnyException();
    }

    @Test
    void olderFormsOfKeys_areRead() throws Exception {
        byte[] inner = PrivateKeyInfo.getInstance(RIGHT.key().getEncoded())
                .parsePrivateKey()
                .toASN1Primitive()
                .getEncoded();
        org.bouncycastle.asn1.sec.ECPrivateKey bare = org.bouncycastle.asn1.sec.ECPrivateKey.getInstance(inner);
        byte[] withParameters = new org.bouncycastle.asn1.sec.ECPrivateKey(
                        256, bare.getKey(), org.bouncycastle.asn1.sec.SECObjectIdentifiers.secp256r1)
                .getEncoded();
        writeKey("-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
                + pem("EC PRIVATE KEY", withParameters));
        assertThatCode(() -> files().check()).doesNotThrowAnyException();

        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        byte[] rsa = PrivateKeyInfo.getInstance(
                        generator.generateKeyPair().getPrivate().getEncoded())
                .parsePrivateKey()
                .toASN1Primitive()
                .getEncoded();
        writeKey(pem("RSA PRIVATE KEY", rsa));
        // the key is readable, but does not belong to the certificate
        assertProblem("TLS_KEY: " + key, "is not the key of the first certificate of TLS_CERT (CN=right)");
    }

    @Test
    void missingFiles_areAllNamed() throws IOException {
        Files.delete(certificate);
        Files.delete(key);
        Path authorities = directory.resolve("no-such.crt");

        assertThat(problems(new TlsFiles(certificate, key, Optional.of(authorities))))
                .containsExactly(
                        "TLS_CERT: " + certificate + ": it does not exist",
                        "TLS_KEY: " + key + ": it does not exist",
                        "TLS_CLIENT_CA: " + authorities + ": it does not exist");
    }

    @Test
    void keyOfAnotherCertificate_namesTheCertificate() throws IOException {
        writeKey(AUTHORITY.issue("other").keyPem());

        assertProblem("TLS_KEY: " + key + ": it is not the key of the first certificate of TLS_CERT (CN=right)");
    }

    @Test
    void authorityFirst_namesTheOrder() throws IOException {
        Files.writeString(certificate, AUTHORITY.pem() + RIGHT.certificatePem());

        assertProblem("(CN=authority)", "put the backend's own certificate first");
    }

    @Test
    void keyWithAPassword_saysHowToRemoveIt() throws IOException {
        String body = RIGHT.keyPem().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
        writeKey(body);
        assertProblem("TLS_KEY: ", "has a key with a password", "openssl pkcs8 -topk8 -nocrypt");

        writeKey(
                "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0102\n\nAAAA\n-----END RSA PRIVATE KEY-----\n");
        assertProblem("has a key with a password");
    }

    @Test
    void noKeyTwoKeysOrGarbage_areReportedWithoutTheContent() throws IOException {
        writeKey(RIGHT.certificatePem());
        assertProblem("TLS_KEY: ", "has no private key");
        writeKey(RIGHT.keyPem() + RIGHT.keyPem());
        assertProblem("has more than one private key");
        writeKey("garbage");
        assertProblem("is not a PEM file");
        writeKey(pem("PRIVATE KEY", new byte[] {1, 2, 3}));
        assertProblem("has a PRIVATE KEY that can't be read");
        writeKey(RIGHT.keyPem().replace("PRIVATE KEY", "RSA PRIVATE KEY"));
        assertProblem("has a RSA PRIVATE KEY that can't be read");
        writeKey(pem("OPENSSH PRIVATE KEY", new byte[] {1, 2, 3}));
        assertProblem("has a OPENSSH PRIVATE KEY");
        Files.writeString(key, "-----BEGIN PRIVATE KEY-----\nAAA=AAA\n-----END PRIVATE KEY-----\n");
        assertThat(problems(files())).singleElement().asString().doesNotContain("AAA=AAA");
    }

    @Test
    void certificateFile_withoutACertificateOrWithABrokenOne_isReported() throws IOException {
        Files.writeString(certificate, RIGHT.keyPem());
        assertProblem("TLS_CERT: " + certificate + ": it has no CERTIFICATE");
        Files.writeString(certificate, pem("CERTIFICATE", new byte[] {48, 3, 1}));
        assertProblem("TLS_CERT: ", "has a certificate that can't be read");
    }

    @Test
    void keyReadableByEveryone_isAnError() throws IOException {
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r--r--"));

        assertProblem("TLS_KEY: " + key + ": it can be read by everyone; chmod o-rwx it");
    }
}
