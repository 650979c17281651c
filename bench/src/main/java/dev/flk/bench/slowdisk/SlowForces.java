// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.slowdisk;

import java.lang.instrument.ClassFileTransformer;
import java.lang.instrument.Instrumentation;
import java.nio.file.Path;
import java.security.ProtectionDomain;
import java.time.Duration;
import java.util.concurrent.locks.LockSupport;
import org.jspecify.annotations.Nullable;
import org.objectweb.asm.ClassReader;
import org.objectweb.asm.ClassVisitor;
import org.objectweb.asm.ClassWriter;
import org.objectweb.asm.MethodVisitor;
import org.objectweb.asm.Opcodes;
import org.objectweb.asm.Type;

/**
 * A Java agent that simulates a slow disk for the log of one program: after each force of a log file, the thread waits.
 * Forces by RocksDB are not delayed; no request waits for these forces.
 */
public final class SlowForces implements ClassFileTransformer {
    private static final String FORCING_CLASS = "dev/flk/wal/files/DiskFiles$Channel";
    private static final String FORCING_METHOD = "force";

    private static volatile long delayNanos;

    private SlowForces() {}

    /** Returns the JVM option that delays each force; {@code jar} contains this class. */
    public static String jvmOption(Path jar, Duration delay) {
        return "-javaagent:" + jar + "=" + delay.toNanos();
    }

    /** Installs the transformer; called by the JVM before the program. */
    public static void premain(String delayNanos, Instrumentation instrumentation) {
        SlowForces.delayNanos = Long.parseLong(delayNanos);
        instrumentation.addTransformer(new SlowForces());
    }

    /** Waits for the configured delay. The transformed class calls this method after each force. */
    public static void delay() {
        long end = System.nanoTime() + delayNanos;
        for (long left = delayNanos; left > 0; left = end - System.nanoTime()) {
            LockSupport.parkNanos(left);
        }
    }

    @Override
    public byte @Nullable [] transform(
            @Nullable ClassLoader loader,
            @Nullable String className,
            @Nullable Class<?> classBeingRedefined,
            @Nullable ProtectionDomain protectionDomain,
            byte[] classfile) {
        if (!FORCING_CLASS.equals(className)) {
            return null;
        }
        ClassReader reader = new ClassReader(classfile);
        ClassWriter writer = new ClassWriter(reader, ClassWriter.COMPUTE_MAXS);
        reader.accept(new DelayAfterForce(writer), 0);
        return writer.toByteArray();
    }

    private static final class DelayAfterForce extends ClassVisitor {
        DelayAfterForce(ClassVisitor next) {
            super(Opcodes.ASM9, next);
        }

        @Override
        public MethodVisitor visitMethod(
                int access,
                String name,
                String descriptor,
                @Nullable String signature,
                String @Nullable [] exceptions) {
            MethodVisitor method = super.visitMethod(access, name, descriptor, signature, exceptions);
            if (!name.equals(FORCING_METHOD)) {
                return method;
            }
            return new MethodVisitor(Opcodes.ASM9, method) {
                @Override
                public void visitInsn(int opcode) {
                    if (opcode == Opcodes.RETURN) {
                        visitMethodInsn(
                                Opcodes.INVOKESTATIC, Type.getInternalName(SlowForces.class), "delay", "()V", false);
                    }
                    super.visitInsn(opcode);
                }
            };
        }
    }
}
