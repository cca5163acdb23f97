-- The registries, as storage/registry declares them; a test compares the columns. Each row is a version of what its key
-- names, in force from valid_from to before valid_to (milliseconds since 1970); versions of a key do not overlap, and at most one is open.
-- Lists and geometries are JSON in text, dates YYYY-MM-DD, flags 0 and 1.

CREATE TABLE vehicles ( -- 车辆
    plate TEXT NOT NULL, -- 车牌号
    plate_color INTEGER NOT NULL, -- 车牌颜色
    vehicle_kind TEXT NOT NULL, -- 车辆种类
    enterprise TEXT NOT NULL, -- 企业编码
    county TEXT NOT NULL, -- 区县代码
    state TEXT, -- 营运状态
    terminal TEXT, -- 终端手机号
    terminal_installed_on TEXT, -- 终端安装日期
    vin TEXT, -- 车架号
    vehicle_type TEXT, -- 车辆类型
    brand_model TEXT, -- 厂牌型号
    registered_on TEXT, -- 注册登记日期
    trailer_plate TEXT, -- 挂车车牌号
    trailer_plate_color INTEGER, -- 挂车车牌颜色
    tank TEXT, -- 罐体编号
    certificate TEXT, -- 道路运输证号
    certificate_valid_to TEXT, -- 道路运输证有效期止
    reviewed_on TEXT, -- 年审日期
    review_valid_to TEXT, -- 年审有效期止
    inspection_valid_to TEXT, -- 检验有效期止
    technical_grade INTEGER, -- 技术等级
    grade_valid_to TEXT, -- 技术等级有效期止
    rated_load_kg INTEGER, -- 核定载质量
    curb_mass_kg INTEGER, -- 整备质量
    gross_mass_kg INTEGER, -- 总质量
    towed_mass_kg INTEGER, -- 准牵引总质量
    permitted_classes TEXT, -- 许可类别, JSON
    permitted_un TEXT, -- 许可品名, JSON
    blacklisted INTEGER, -- 黑名单
    photos TEXT, -- 照片, JSON
    remark TEXT, -- 备注
    valid_from_ms INTEGER NOT NULL,
    valid_to_ms INTEGER, -- NULL: open
    source TEXT,
    imported_ms INTEGER NOT NULL,
    PRIMARY KEY (plate, plate_color, valid_from_ms),
    CHECK (valid_to_ms > valid_from_ms)
) STRICT;
CREATE UNIQUE INDEX vehicles_open ON vehicles (plate, plate_color) WHERE valid_to_ms IS NULL;
CREATE INDEX vehicles_in_force ON vehicles (valid_from_ms, valid_to_ms);
CREATE INDEX vehicles_terminal ON vehicles (terminal) WHERE terminal IS NOT NULL;
CREATE INDEX vehicles_enterprise ON vehicles (enterprise);
CREATE INDEX vehicles_tank ON vehicles (tank) WHERE tank IS NOT NULL;

CREATE TABLE persons ( -- 从业人员
    person TEXT NOT NULL, -- 人员编码
    name TEXT NOT NULL, -- 姓名
    id_number TEXT, -- 身份证号
    phone TEXT, -- 联系电话
    enterprise TEXT, -- 企业编码
    county TEXT, -- 区县代码
    state TEXT, -- 从业状态
    roles TEXT NOT NULL, -- 岗位, JSON
    certificate TEXT, -- 从业资格证号
    certificate_issuer TEXT, -- 发证机关
    driver_valid_to TEXT, -- 驾驶员资格有效期止
    escort_certificate TEXT, -- 押运员资格证号
    escort_valid_to TEXT, -- 押运员资格有效期止
    loader_valid_to TEXT, -- 装卸管理资格有效期止
    permitted_classes TEXT, -- 许可类别, JSON
    licence TEXT, -- 驾驶证号
    licence_classes TEXT, -- 准驾车型, JSON
    licence_valid_to TEXT, -- 驾驶证有效期止
    learner_until TEXT, -- 实习期止
    medical_on TEXT, -- 体检日期
    medical_valid_to TEXT, -- 体检有效期止
    born_on TEXT, -- 出生日期
    contract_valid_to TEXT, -- 劳动合同有效期止
    integrity_grade TEXT, -- 诚信考核等级
    integrity_on TEXT, -- 诚信考核日期
    blacklisted INTEGER, -- 黑名单
    location_consent INTEGER, -- 位置比对同意
    photo_path TEXT, -- 人脸照片
    photo_sha256 TEXT, -- 人脸照片摘要
    remark TEXT, -- 备注
    valid_from_ms INTEGER NOT NULL,
    valid_to_ms INTEGER, -- NULL: open
    source TEXT,
    imported_ms INTEGER NOT NULL,
    PRIMARY KEY (person, valid_from_ms),
    CHECK (valid_to_ms > valid_from_ms)
) STRICT;
CREATE UNIQUE INDEX persons_open ON persons (person) WHERE valid_to_ms IS NULL;
CREATE INDEX persons_in_force ON persons (valid_from_ms, valid_to_ms);
CREATE INDEX persons_certificate ON persons (certificate) WHERE certificate IS NOT NULL;
CREATE INDEX persons_id_number ON persons (id_number) WHERE id_number IS NOT NULL;
CREATE INDEX persons_enterprise ON persons (enterprise) WHERE enterprise IS NOT NULL;

CREATE TABLE enterprises ( -- 企业
    enterprise TEXT NOT NULL, -- 企业编码
    name TEXT NOT NULL, -- 企业名称
    county TEXT NOT NULL, -- 区县代码
    credit_code TEXT, -- 统一社会信用代码
    state TEXT, -- 经营状态
    permit TEXT, -- 道路运输经营许可证号
    permit_valid_to TEXT, -- 经营许可证有效期止
    permitted_classes TEXT, -- 许可类别, JSON
    permitted_un TEXT, -- 许可品名, JSON
    address TEXT, -- 地址
    legal_person TEXT, -- 法定代表人
    safety_manager TEXT, -- 安全负责人
    safety_manager_phone TEXT, -- 安全负责人电话
    duty_phone TEXT, -- 值班电话
    monitor_count INTEGER, -- 专职监控员人数
    yard_zone TEXT, -- 停车场区域
    yard_area_m2 REAL, -- 停车场面积
    yard_valid_to TEXT, -- 停车场使用期止
    platform_code INTEGER, -- 平台接入码
    monitored_by TEXT, -- 第三方监控机构
    monitored_from TEXT, -- 第三方监控合同起
    monitored_valid_to TEXT, -- 第三方监控合同止
    blacklisted INTEGER, -- 黑名单
    remark TEXT, -- 备注
    valid_from_ms INTEGER NOT NULL,
    valid_to_ms INTEGER, -- NULL: open
    source TEXT,
    imported_ms INTEGER NOT NULL,
    PRIMARY KEY (enterprise, valid_from_ms),
    CHECK (valid_to_ms > valid_from_ms)
) STRICT;
CREATE UNIQUE INDEX enterprises_open ON enterprises (enterprise) WHERE valid_to_ms IS NULL;
CREATE INDEX enterprises_in_force ON enterprises (valid_from_ms, valid_to_ms);

CREATE TABLE tanks ( -- 罐体
    tank TEXT NOT NULL, -- 罐体编号
    tank_kind TEXT NOT NULL, -- 罐体类别
    enterprise TEXT, -- 企业编码
    county TEXT, -- 区县代码
    state TEXT, -- 使用状态
    design_code TEXT, -- 罐体设计代码
    volume_m3 REAL, -- 罐体容积
    filling_max_kg INTEGER, -- 最大允许充装量
    media_un TEXT, -- 适装介质UN编号, JSON
    media TEXT, -- 适装介质, JSON
    made_on TEXT, -- 制造日期
    maker TEXT, -- 制造单位
    report TEXT, -- 检验报告号
    inspected_by TEXT, -- 检验机构
    inspected_on TEXT, -- 检验日期
    report_valid_to TEXT, -- 检验有效期止
    inspection_next_on TEXT, -- 下次检验日期
    remark TEXT, -- 备注
    valid_from_ms INTEGER NOT NULL,
    valid_to_ms INTEGER, -- NULL: open
    source TEXT,
    imported_ms INTEGER NOT NULL,
    PRIMARY KEY (tank, valid_from_ms),
    CHECK (valid_to_ms > valid_from_ms)
) STRICT;
CREATE UNIQUE INDEX tanks_open ON tanks (tank) WHERE valid_to_ms IS NULL;
CREATE INDEX tanks_in_force ON tanks (valid_from_ms, valid_to_ms);

CREATE TABLE policies ( -- 保险
    policy TEXT NOT NULL, -- 保单号
    policy_kind TEXT NOT NULL, -- 险种
    insurer TEXT NOT NULL, -- 保险公司
    enterprise TEXT NOT NULL, -- 企业编码
    plate TEXT, -- 车牌号
    plate_color INTEGER, -- 车牌颜色
    state TEXT NOT NULL, -- 保单状态
    begins_on TEXT NOT NULL, -- 保险起期
    ends_on TEXT NOT NULL, -- 保险止期
    issued_on TEXT, -- 签单日期
    surrendered_on TEXT, -- 退保日期
    accident_sum_yuan INTEGER, -- 每次事故责任限额
    total_sum_yuan INTEGER, -- 累计责任限额
    covered_classes TEXT, -- 承保类别, JSON
    remark TEXT, -- 备注
    valid_from_ms INTEGER NOT NULL,
    valid_to_ms INTEGER, -- NULL: open
    source TEXT,
    imported_ms INTEGER NOT NULL,
    PRIMARY KEY (policy, valid_from_ms),
    CHECK (valid_to_ms > valid_from_ms)
) STRICT;
CREATE UNIQUE INDEX policies_open ON policies (policy) WHERE valid_to_ms IS NULL;
CREATE INDEX policies_in_force ON policies (valid_from_ms, valid_to_ms);
CREATE INDEX policies_plate ON policies (plate, plate_color) WHERE plate IS NOT NULL;
CREATE INDEX policies_enterprise ON policies (enterprise);

CREATE TABLE waybills ( -- 电子运单
    waybill TEXT NOT NULL, -- 运单号
    state TEXT NOT NULL, -- 运单状态
    revision INTEGER, -- 版本
    created_ms INTEGER, -- 制单时间
    plan_depart_ms INTEGER, -- 计划出发时间
    depart_ms INTEGER, -- 实际出发时间
    plan_arrive_ms INTEGER, -- 计划到达时间
    arrive_ms INTEGER, -- 实际到达时间
    urban_delivery INTEGER, -- 城市配送
    consignor TEXT, -- 托运人
    consignor_phone TEXT, -- 托运人电话
    loader TEXT, -- 装货人
    loader_phone TEXT, -- 装货人电话
    consignee TEXT, -- 收货人
    consignee_phone TEXT, -- 收货人电话
    load_address TEXT, -- 装货地址
    load_latitude REAL, -- 装货纬度
    load_longitude REAL, -- 装货经度
    load_zone TEXT, -- 装货区域
    unload_address TEXT, -- 卸货地址
    unload_latitude REAL, -- 卸货纬度
    unload_longitude REAL, -- 卸货经度
    unload_zone TEXT, -- 卸货区域
    enterprise TEXT, -- 企业编码
    carrier TEXT, -- 承运人
    carrier_permit TEXT, -- 承运人许可证号
    carrier_phone TEXT, -- 承运人电话
    county TEXT, -- 区县代码
    plate TEXT NOT NULL, -- 车牌号
    plate_color INTEGER NOT NULL, -- 车牌颜色
    certificate TEXT, -- 道路运输证号
    trailer_plate TEXT, -- 挂车车牌号
    trailer_plate_color INTEGER, -- 挂车车牌颜色
    trailer_certificate TEXT, -- 挂车道路运输证号
    tank TEXT, -- 罐体编号
    tank_volume_m3 REAL, -- 罐体容积
    drivers TEXT, -- 驾驶员, JSON
    escorts TEXT, -- 押运员, JSON
    goods TEXT, -- 货物, JSON
    full_load INTEGER, -- 是否满载
    route TEXT, -- 计划路线, GeoJSON
    distance_km REAL, -- 运输距离
    route_permit TEXT, -- 通行证号
    dispatcher TEXT, -- 调度员
    dispatched_ms INTEGER, -- 调度时间
    source_datum TEXT, -- 原始坐标系
    remark TEXT, -- 备注
    valid_from_ms INTEGER NOT NULL,
    valid_to_ms INTEGER, -- NULL: open
    source TEXT,
    imported_ms INTEGER NOT NULL,
    PRIMARY KEY (waybill, valid_from_ms),
    CHECK (valid_to_ms > valid_from_ms)
) STRICT;
CREATE UNIQUE INDEX waybills_open ON waybills (waybill) WHERE valid_to_ms IS NULL;
CREATE INDEX waybills_in_force ON waybills (valid_from_ms, valid_to_ms);
CREATE INDEX waybills_plate ON waybills (plate, plate_color, plan_depart_ms);
CREATE INDEX waybills_trailer_plate ON waybills (trailer_plate, trailer_plate_color, plan_depart_ms) WHERE trailer_plate IS NOT NULL;
CREATE INDEX waybills_tank ON waybills (tank) WHERE tank IS NOT NULL;

CREATE TABLE zones ( -- 区域
    zone TEXT NOT NULL, -- 区域编号
    name TEXT NOT NULL, -- 区域名称
    zone_kind TEXT NOT NULL, -- 区域类型
    county TEXT, -- 区县代码
    geometry TEXT NOT NULL, -- 几何图形, GeoJSON
    radius_m REAL, -- 半径
    width_m REAL, -- 宽度
    source_datum TEXT, -- 原始坐标系
    windows TEXT, -- 生效时段, JSON
    goods_classes TEXT, -- 限制类别, JSON
    speed_limit_kmh REAL, -- 限速
    capacity INTEGER, -- 容量
    capacity_by_class TEXT, -- 分类容量, JSON
    stay_limit_min INTEGER, -- 停留时限
    park TEXT, -- 所属园区
    enterprise TEXT, -- 企业编码
    contact TEXT, -- 联系人
    contact_phone TEXT, -- 联系人电话
    remark TEXT, -- 备注
    valid_from_ms INTEGER NOT NULL,
    valid_to_ms INTEGER, -- NULL: open
    source TEXT,
    imported_ms INTEGER NOT NULL,
    PRIMARY KEY (zone, valid_from_ms),
    CHECK (valid_to_ms > valid_from_ms)
) STRICT;
CREATE UNIQUE INDEX zones_open ON zones (zone) WHERE valid_to_ms IS NULL;
CREATE INDEX zones_in_force ON zones (valid_from_ms, valid_to_ms);
CREATE INDEX zones_zone_kind ON zones (zone_kind);
