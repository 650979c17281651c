// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import dev.flk.wal.files.DiskFiles;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.RandomAccessFile;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.time.Instant;
import org.junit.jupiter.api.Test;

/** Tests of the dependencies of this module. */
final class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("dev.flk.wal");

    @Test
    void log_dependsOnlyOnTheJdkAndJspecify() {
        classes()
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("dev.flk.wal..", "java..", "org.jspecify..")
                .check(CLASSES);
    }

    @Test
    void files_areAccessedByDiskFilesOnly() {
        noClasses()
                .that()
                .doNotBelongToAnyOf(DiskFiles.class)
                .should()
                .dependOnClassesThat()
                .belongToAnyOf(
                        Files.class,
                        FileChannel.class,
                        FileInputStream.class,
                        FileOutputStream.class,
                        RandomAccessFile.class)
                .check(CLASSES);
    }

    @Test
    void wallClock_isInjected() {
        noClasses().should().callMethod(Instant.class, "now").check(CLASSES);
        noClasses().should().callMethod(System.class, "currentTimeMillis").check(CLASSES);
    }

    @Test
    void formatAndReading_knowNothingOfWritingAndRepair() {
        noClasses()
                .that()
                .resideInAPackage("dev.flk.wal.segment")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.flk.wal")
                .check(CLASSES);
    }
}
