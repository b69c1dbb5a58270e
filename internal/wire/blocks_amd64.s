#include "textflag.h"

// Tables of the short escapes' letters, by the two halves of a byte: a letter is one whose two entries have a bit in common.
// The letters are 22 " 5C \ 62 b 66 f 6E n 72 r 74 t.
DATA low<>+0(SB)/8, $0x40008000d0000
DATA low<>+8(SB)/8, $0x4000200000000
GLOBL low<>(SB), RODATA|NOPTR, $16
DATA top<>+0(SB)/8, $0x804020000010000
DATA top<>+8(SB)/8, $0x0
GLOBL top<>(SB), RODATA|NOPTR, $16
DATA quote<>+0(SB)/8, $0x2222222222222222
GLOBL quote<>(SB), RODATA|NOPTR, $8
DATA slash<>+0(SB)/8, $0x5c5c5c5c5c5c5c5c
GLOBL slash<>(SB), RODATA|NOPTR, $8
DATA last<>+0(SB)/8, $0x1f1f1f1f1f1f1f1f
GLOBL last<>(SB), RODATA|NOPTR, $8
DATA half<>+0(SB)/8, $0x0f0f0f0f0f0f0f0f
GLOBL half<>(SB), RODATA|NOPTR, $8

// func skipBlocks(p *byte, n int, carry uint64) (passed int, next uint64, high uint32)
TEXT ·skipBlocks(SB), NOSPLIT, $0-44
	MOVQ p+0(FP), SI
	MOVQ n+8(FP), CX
	MOVQ carry+16(FP), R8
	XORQ AX, AX                  // passed
	MOVQ $0xaaaaaaaaaaaaaaaa, R9 // odd bits
	VPBROADCASTQ quote<>(SB), Y8
	VPBROADCASTQ slash<>(SB), Y9
	VPBROADCASTQ last<>(SB), Y10
	VPBROADCASTQ half<>(SB), Y11
	VBROADCASTI128 low<>(SB), Y12
	VBROADCASTI128 top<>(SB), Y13
	VPXOR Y14, Y14, Y14          // zero
	VPXOR Y15, Y15, Y15          // all bytes passed, or-ed

block:
	CMPQ AX, CX
	JGE  done
	VMOVDQU (SI)(AX*1), Y0
	VMOVDQU 32(SI)(AX*1), Y1

	VPCMPEQB  Y9, Y0, Y2
	VPCMPEQB  Y9, Y1, Y3
	VPMOVMSKB Y2, R10
	VPMOVMSKB Y3, R11
	SHLQ $32, R11
	ORQ  R11, R10                // backslashes

	VPCMPEQB  Y8, Y0, Y2
	VPCMPEQB  Y8, Y1, Y3
	VPMOVMSKB Y2, R12
	VPMOVMSKB Y3, R11
	SHLQ $32, R11
	ORQ  R11, R12                // quotes

	VPMINUB   Y10, Y0, Y2
	VPMINUB   Y10, Y1, Y3
	VPCMPEQB  Y2, Y0, Y2
	VPCMPEQB  Y3, Y1, Y3
	VPMOVMSKB Y2, R13
	VPMOVMSKB Y3, R11
	SHLQ $32, R11
	ORQ  R11, R13                // control bytes

	VPSHUFB Y0, Y12, Y2
	VPSHUFB Y1, Y12, Y3
	VPSRLW  $4, Y0, Y4
	VPSRLW  $4, Y1, Y5
	VPAND   Y11, Y4, Y4
	VPAND   Y11, Y5, Y5
	VPSHUFB Y4, Y13, Y4
	VPSHUFB Y5, Y13, Y5
	VPAND   Y2, Y4, Y2
	VPAND   Y3, Y5, Y3
	VPCMPEQB  Y14, Y2, Y2
	VPCMPEQB  Y14, Y3, Y3
	VPMOVMSKB Y2, DI
	VPMOVMSKB Y3, R11
	SHLQ $32, R11
	ORQ  R11, DI                 // not the letter of a short escape

	MOVQ R8, BX
	NOTQ BX
	ANDQ R10, BX                 // backslashes that may escape
	LEAQ (BX)(BX*1), DX
	ORQ  R9, DX
	SUBQ BX, DX
	XORQ R9, DX                  // escaping backslashes and what ends their runs
	MOVQ R10, BX
	ORQ  R8, BX
	XORQ DX, BX                  // escaped bytes
	ANDQ R10, DX
	SHRQ $63, DX                 // the carry of the next block

	ANDQ BX, DI
	ORQ  R13, DI
	NOTQ BX
	ANDQ R12, BX
	ORQ  BX, DI
	JNZ  done
	MOVQ DX, R8
	VPOR Y0, Y15, Y15
	VPOR Y1, Y15, Y15
	ADDQ $64, AX
	JMP  block

done:
	VPMOVMSKB Y15, BX
	VZEROUPPER
	MOVQ AX, passed+24(FP)
	MOVQ R8, next+32(FP)
	MOVL BX, high+40(FP)
	RET
